// An answer of the API in words. What it says stands in the body, and in the challenge (RFC 6750 section 3).

// The parameters of `WWW-Authenticate: Bearer a="b", c="d"`.
export function challengeOf(header) {
  const found = {};
  for (const [, name, value] of (header ?? '').matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) {
    found[name] = value.replace(/\\(.)/g, '$1');
  }
  return found;
}

// {headline, sentences, facts, offer}: `offer` is the scope to ask for, '' for any token, undefined for nothing.
export function explain({ status, header, body, granted, asked }) {
  const challenge = challengeOf(header);
  const facts = { error: challenge.error, required: requiredIn(body), scope: challenge.scope };
  const told = { headline: `${status} ${HEADLINES[status] ?? 'Another answer'}`, sentences: [], facts };
  if (status === 401) {
    told.sentences.push(challenge.error
      ? `The API does not take this token: ${challenge.error_description}.`
      : 'The request had no token, and this operation needs one.');
    told.offer = '';
  } else if (status === 403) {
    const needed = words(challenge.scope);
    const missing = needed.filter((scope) => !granted.includes(scope));
    told.sentences.push(
      'The token is good, but it does not grant what this operation needs.',
      `Needed: ${facts.required}. Granted: ${granted.join(', ') || 'nothing'}.`,
    );
    if (missing.length && missing.every((scope) => asked.includes(scope))) {
      told.sentences.push(`This page has asked for ${missing.join(', ')}, and the issuer did not give it: `
        + 'this account may not. Asking again will not help; whoever hands out permissions can.');
    } else if (missing.length) {
      told.offer = missing.join(' ');
    }
  } else if (status === 503) {
    told.sentences.push('The API can’t judge tokens just now. Nothing is wrong with yours: try again in a moment.');
  }
  return told;
}

const HEADLINES = { 200: 'Yes', 400: 'Not understood', 401: 'Who are you?', 403: 'No', 503: 'Not now' };

function requiredIn(body) {
  return body?.required?.map((one) => one.any_of ? one.any_of.join(' or ')
    : typeof one === 'string' ? one : JSON.stringify(one)).join(' and ');
}

export function words(text) {
  return (text ?? '').split(' ').filter(Boolean);
}
