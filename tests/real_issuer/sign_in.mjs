// The pages on which a person signs in and allows a client what it asks for: no password, one button for each
// account. An account allows what it may do itself, and silently no more: so it is with permissions at real issuers.

const ACCOUNTS = {
  ada: { name: 'Ada', may: ['read:users', 'write:users', 'read:reports'] },
  grace: { name: 'Grace', may: ['read:users'] },
};

export async function findAccount(_context, id) {
  return Object.hasOwn(ACCOUNTS, id)
    ? { accountId: id, claims: () => ({ sub: id, name: ACCOUNTS[id].name }) }
    : undefined;
}

// Answers requests under /interaction/, to which the provider sends a person on the way.
export async function answerPerson(provider, request, response) {
  try {
    const details = await provider.interactionDetails(request, response);
    if (request.method === 'POST') {
      const result = await resultOf(provider, details, await formOf(request));
      await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
    } else {
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      response.setHeader('Cache-Control', 'no-store');
      response.end(details.prompt.name === 'login' ? loginPage() : consentPage(details));
    }
  } catch (error) {
    response.statusCode = error.statusCode ?? 500;
    response.end(`${error.name}: ${error.error_description ?? error.message}`);
  }
}

async function resultOf(provider, { prompt, params, grantId, session }, form) {
  if (form.get('cancel') !== null) {
    return { error: 'access_denied', error_description: 'The person has cancelled' };
  }
  if (prompt.name === 'login') return { login: { accountId: form.get('account') } };

  const { accountId } = session;
  const grant = await provider.Grant.find(grantId)
    ?? new provider.Grant({ accountId, clientId: params.client_id });
  const { missingOIDCScope = [], missingOIDCClaims = [], missingResourceScopes = {} } = prompt.details;
  grant.addOIDCScope(missingOIDCScope.join(' '));
  grant.addOIDCClaims(missingOIDCClaims);
  for (const [api, scopes] of Object.entries(missingResourceScopes)) {
    for (const scope of scopes) {
      if (ACCOUNTS[accountId].may.includes(scope)) grant.addResourceScope(api, scope);
      else grant.rejectResourceScope(api, scope);
    }
  }
  return { consent: { grantId: await grant.save() } };
}

async function formOf(request) {
  let body = '';
  for await (const piece of request) body += piece;
  return new URLSearchParams(body);
}

function loginPage() {
  const buttons = Object.entries(ACCOUNTS).map(([id, { name, may }]) => `
    <button name="account" value="${id}">${name}<small>may ${may.join(', ')}</small></button>`);
  return page('Who are you?', buttons.join(''));
}

function consentPage({ params, session }) {
  const asked = (params.scope ?? '').split(' ').filter(Boolean).map((scope) => `<li>${escaped(scope)}</li>`);
  return page('May this page act for you?', `
    <p>${ACCOUNTS[session.accountId].name}, the client “${escaped(params.client_id)}” asks for</p><ul>${asked.join('')}</ul>
    <button name="allow" value="yes" autofocus>Allow</button>`);
}

function page(title, content) {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
  form { max-width: 20rem; margin: 12vh auto; padding: 0 1rem; }
  button { display: block; width: 100%; margin: .75rem 0; padding: .6rem; font: inherit; cursor: pointer; }
  small { display: block; }
</style>
<form method="post"><h1>${title}</h1>${content}
<button name="cancel" value="yes">Cancel</button></form>`;
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (one) => `&#${one.codePointAt(0)};`);
}
