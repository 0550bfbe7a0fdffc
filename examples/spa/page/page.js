// The page: who is signed in, four operations, and the API's answers to them. The token is kept in memory alone.

import { explain, words } from './explain.js';
import { comeBack, goAndLogIn } from './login.js';

const OPERATIONS = [
  { id: 'me', title: 'See my token', method: 'GET', path: '/api/me' },
  { id: 'list', title: 'List users', method: 'GET', path: '/api/users' },
  { id: 'add', title: 'Add a user', method: 'POST', path: '/api/users' },
  { id: 'report', title: 'Read the report', method: 'GET', path: '/api/report' },
];
const FIRST_SCOPE = 'openid read:users';

const settings = await (await fetch('settings.json')).json();
let login = null;

function show() {
  byId('operations').replaceChildren(...OPERATIONS.map((operation) => {
    const card = byId('operation').content.cloneNode(true);
    card.firstElementChild.id = operation.id;
    card.querySelector('h2').textContent = operation.title;
    card.querySelector('code').textContent = `${operation.method} ${operation.path}`;
    card.querySelector('button').setAttribute('aria-label', `Ask: ${operation.title}`);
    card.querySelector('button').addEventListener('click', () => ask(operation));
    return card;
  }));
  byId('sign-in').addEventListener('click', () => logIn({ scope: FIRST_SCOPE }));
  byId('sign-out').addEventListener('click', () => logIn({ scope: FIRST_SCOPE, again: true }));
}

async function showLogin() {
  const me = await (await send({ method: 'GET', path: '/api/me' })).json();
  byId('who').textContent = `Signed in as ${me.sub}`;
  const chips = me.scopes.map((scope) => element('code', scope, 'chip'));
  byId('granted').replaceChildren('The token grants ', ...(chips.length ? chips : ['no scope']));
  byId('sign-in').hidden = true;
  byId('sign-out').hidden = false;
}

function send({ method, path }) {
  return fetch(path, { method, headers: login ? { Authorization: `Bearer ${login.token}` } : {} });
}

async function ask(operation) {
  const answer = await send(operation);
  const body = await answer.json().catch(() => null);
  const told = explain({
    status: answer.status,
    header: answer.headers.get('WWW-Authenticate'),
    body,
    granted: words(login?.scope),
    asked: words(login?.asked),
  });
  const place = byId(operation.id).querySelector('.answer');
  place.className = `answer ${answer.ok ? 'good' : 'bad'}`;
  place.replaceChildren(
    element('h3', told.headline),
    ...told.sentences.map((sentence) => element('p', sentence)),
    answer.ok ? element('pre', JSON.stringify(body, null, 2)) : factList(told.facts),
  );
  if (told.offer !== undefined) {
    const button = element('button', told.offer ? `Ask the issuer for ${told.offer}` : 'Sign in', 'main');
    // Another scope is another login: the one there was, and what the challenge named.
    const scope = [...new Set([...words(login?.asked ?? FIRST_SCOPE), ...words(told.offer)])].join(' ');
    button.addEventListener('click', () => logIn({ scope, then: operation.id }));
    place.append(button);
  }
}

async function logIn(wanted) {
  try {
    await goAndLogIn(settings, wanted);
  } catch (error) {
    showTrouble(error);
  }
}

function factList(facts) {
  const list = document.createElement('dl');
  for (const [name, value] of Object.entries(facts)) {
    if (value !== undefined) list.append(element('dt', name), element('dd', value));
  }
  return list;
}

function showTrouble(error) {
  byId('trouble').textContent = error.message;
  byId('trouble').hidden = false;
}

function element(name, text, className = '') {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

show();
try {
  login = await comeBack(settings);
  if (login) {
    await showLogin();
    const operation = OPERATIONS.find(({ id }) => id === login.then);
    if (operation) await ask(operation);
  }
} catch (error) {
  showTrouble(error);
}
document.documentElement.dataset.ready = 'yes';
