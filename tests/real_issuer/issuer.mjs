// An issuer for the tests that is not ours: oidc-provider on loopback, with one client and one API.
//
//   node issuer.mjs [--port 0] [--keys FILE] [--jwks-path /jwks]
//
// It prints {"ready": URL} once it listens, then takes commands on stdin, one per line, and answers each
// with one line of JSON:
//
//   rotate         sign with a new key, publish the old ones too  -> {"kid": "..."}
//   rotate forget  the same, but publish the new keys alone       -> {"kid": "..."}
//   move PATH      publish the keys at that path instead          -> {"jwks_path": "/..."}
//
// It ends when stdin closes. With --keys, its private keys are read from FILE, or written to it if there is
// no such file: started again with the same port and file, it is the same issuer as before.

import { generateKeyPairSync, randomUUID, webcrypto } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import Provider from 'oidc-provider';

// Debian 12 has Node 18; this is all that oidc-provider and jose miss there.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;
URL.parse ??= (...parts) => {
  try {
    return new URL(...parts);
  } catch {
    return null;
  }
};

const AUDIENCE = 'https://api.example.com';
const SCOPES = 'read:users write:users';
const CLIENT = { id: 'robot', secret: 'a-secret-known-to-the-tests-alone' };

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    keys: { type: 'string' },
    'jwks-path': { type: 'string', default: '/jwks' },
  },
});

// An RSA key that signs, and beside it, as in many a real JWKS, a key of another kind.
function newKeys() {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  return [
    { ...rsa, kid: `rsa-${randomUUID()}`, use: 'sig', alg: 'RS256' },
    { ...ec, kid: `ec-${randomUUID()}`, use: 'sig', alg: 'ES256' },
  ];
}

function loadKeys(file) {
  if (file && existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')).keys;
  return newKeys();
}

function saveKeys(file, keys) {
  if (file) writeFileSync(file, JSON.stringify({ keys }), { mode: 0o600 });
}

function newProvider(issuer, keys, jwksPath) {
  return new Provider(issuer, {
    jwks: { keys },
    routes: { jwks: jwksPath },
    clients: [{
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        getResourceServerInfo: (_context, resource) => ({
          audience: resource,
          scope: SCOPES,
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    ttl: { ClientCredentials: 600 },
  });
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

let keys = loadKeys(options.keys);
let jwksPath = options['jwks-path'];
saveKeys(options.keys, keys);
let answer;
const server = createServer((request, response) => answer(request, response));

server.listen(Number(options.port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  answer = newProvider(issuer, keys, jwksPath).callback();
  say({ ready: issuer, audience: AUDIENCE, client_id: CLIENT.id, client_secret: CLIENT.secret });

  const commands = createInterface({ input: process.stdin });
  commands.on('line', (line) => {
    const [command, argument] = line.trim().split(' ');
    if (command === 'rotate') {
      keys = argument === 'forget' ? newKeys() : [...newKeys(), ...keys];
      saveKeys(options.keys, keys);
    } else if (command === 'move') {
      jwksPath = argument;
    } else {
      say({ error: `unknown command: ${line}` });
      return;
    }
    answer = newProvider(issuer, keys, jwksPath).callback();
    say(command === 'rotate' ? { kid: keys[0].kid } : { jwks_path: jwksPath });
  });
  commands.on('close', () => process.exit(0));
});

process.on('SIGTERM', () => process.exit(0));
