// Authorization code with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 9207), with nothing but what browsers have.

const NOTE = 'login-under-way';

export class LoginFailed extends Error {}

// What the issuer says of itself; the endpoints are taken from there.
async function discover(issuer) {
  const answer = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  if (!answer.ok) throw new LoginFailed(`The issuer's metadata can't be read: ${answer.status}.`);
  const metadata = await answer.json();
  if (metadata.issuer !== issuer) throw new LoginFailed('The metadata are those of another issuer.');
  return metadata;
}

// Leaves this page for the issuer's. `then` is given back when the person returns.
export async function goAndLogIn(settings, { scope, then = null, again = false }) {
  const { authorization_endpoint: endpoint } = await discover(settings.issuer);
  const verifier = random(), state = random();
  sessionStorage.setItem(NOTE, JSON.stringify({ verifier, state, scope, then }));
  const url = new URL(endpoint);
  const parameters = {
    response_type: 'code',
    client_id: settings.client_id,
    redirect_uri: here(),
    scope,
    state,
    code_challenge: await challengeFor(verifier),
    code_challenge_method: 'S256',
    ...(again ? { prompt: 'login' } : {}),
    ...settings.asks,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  location.assign(url);
}

// If the person has just returned from the issuer: {token, scope, asked, then}; else null. Throws LoginFailed.
export async function comeBack(settings) {
  const sent = new URLSearchParams(location.search);
  if (!sent.has('state')) return null;
  history.replaceState(null, '', here()); // a code must not stay in the address bar
  const note = JSON.parse(sessionStorage.getItem(NOTE) ?? 'null');
  sessionStorage.removeItem(NOTE);
  if (note === null || sent.get('state') !== note.state) {
    throw new LoginFailed('That is the answer to a question that this page has not asked.');
  }
  if (sent.get('iss') !== null && sent.get('iss') !== settings.issuer) {
    throw new LoginFailed('That is the answer of another issuer.');
  }
  if (sent.has('error')) {
    const error = new LoginFailed(`The issuer says ${sent.get('error')}: ${sent.get('error_description') ?? ''}`);
    error.then = note.then;
    throw error;
  }
  const { token_endpoint: endpoint } = await discover(settings.issuer);
  const answer = await fetch(endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code: sent.get('code'),
      redirect_uri: here(),
      client_id: settings.client_id,
      code_verifier: note.verifier,
    }),
  });
  const given = await answer.json();
  if (!answer.ok) throw new LoginFailed(`The issuer gives no token: ${given.error_description ?? given.error}`);
  // The answer names the scope if it is another than was asked for (RFC 6749 section 5.1).
  return { token: given.access_token, scope: given.scope ?? note.scope, asked: note.scope, then: note.then };
}

function here() {
  return location.origin + location.pathname;
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function challengeFor(verifier) {
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
