// An issuer for the tests that is not ours: oidc-provider on loopback, with one API and two clients: a machine
// with a secret (client credentials), and pages in browsers (authorization code + PKCE), at any port of this machine.
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

import { answerPerson, findAccount } from './sign_in.mjs';

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
const SCOPES = 'read:users write:users read:reports';
const CLIENT = { id: 'robot', secret: 'a-secret-known-to-the-tests-alone' };
const BROWSER_CLIENT = 'browser';
// Where a browser may be sent back to: the page of examples/spa, and that of Swagger UI.
const RETURN_PATHS = ['/', '/docs/oauth2-redirect'];

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
    }, {
      client_id: BROWSER_CLIENT,
      token_endpoint_auth_method: 'none',
      // A native client's loopback URIs match at every port (RFC 8252 section 7.3).
      application_type: 'native',
      redirect_uris: RETURN_PATHS.map((path) => `http://127.0.0.1${path}`),
    }],
    pkce: { required: () => true },
    findAccount,
    cookies: { keys: [randomUUID()] },
    // Which pages may call the token endpoint. Metadata and keys are for everybody.
    clientBasedCORS: (_context, origin, client) =>
      client.clientId === BROWSER_CLIENT && new URL(origin).hostname === '127.0.0.1',
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        useGrantedResource: () => true, // else `openid` makes the access token an opaque one for userinfo
        getResourceServerInfo: (_context, resource) => ({
          audience: resource,
          scope: SCOPES,
          accessTokenTTL: 600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    ttl: { ClientCredentials: 600, Interaction: 600, Session: 3600, Grant: 3600, IdToken: 600 },
  });
}

function answerer(provider) {
  const itself = provider.callback();
  return (request, response) => (
    request.url.startsWith('/interaction/') ? answerPerson(provider, request, response) : itself(request, response)
  );
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
  answer = answerer(newProvider(issuer, keys, jwksPath));
  say({
    ready: issuer,
    audience: AUDIENCE,
    client_id: CLIENT.id,
    client_secret: CLIENT.secret,
    browser_client_id: BROWSER_CLIENT,
  });

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
    answer = answerer(newProvider(issuer, keys, jwksPath));
    say(command === 'rotate' ? { kid: keys[0].kid } : { jwks_path: jwksPath });
  });
  commands.on('close', () => process.exit(0));
});

process.on('SIGTERM', () => process.exit(0));
