/** Whose requests a browser may bring here. */
import t from 'tap';
import { checkHost, checkOrigin, type RequestFacts } from '../../../src/actors/api/guards.ts';

const facts: RequestFacts = {
  method: 'GET',
  host: '127.0.0.1:8474',
  origin: undefined,
  fetchSite: undefined,
  localAddress: '127.0.0.1',
};
const host = (text: string | undefined, localAddress = '127.0.0.1', hosts: string[] = []): boolean =>
  checkHost({ ...facts, host: text, localAddress }, hosts) === undefined;

t.test('checkHost() takes the address that the request came to, and named hosts', async (t) => {
  t.ok(host('127.0.0.1:8474') && host('127.0.0.1') && host('localhost:8474') && host('LOCALHOST.'));
  t.ok(host('[::1]:8474', '::1') && host('localhost', '::1') && host('[0:0::0:1]', '::1'));
  t.ok(host('10.9.0.1:8474', '10.9.0.1') && host('10.9.0.1', '::ffff:10.9.0.1'));
  t.ok(
    host('hub.example.net:443', '10.9.0.1', ['hub.example.net']) &&
      host('HUB.example.net', '10.9.0.1', ['hub.example.net']),
  );
  t.ok(host('[2001:DB8::1]:80', '10.9.0.1', ['2001:db8::1']));
  const strange = [
    undefined,
    '',
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.9.0.1',
    'a b',
  ];
  for (const text of [...strange, '127.0.0.1:8474:1', '[::1', 'user@127.0.0.1', '127.1', '2130706433', '0x7f.1'])
    t.notOk(host(text), String(text));
  t.notOk(host('localhost', '10.9.0.1'), 'a name of loopback, from elsewhere');
  t.notOk(host('sub.hub.example.net', '10.9.0.1', ['hub.example.net']));
});

const origin = (change: Partial<RequestFacts>): boolean =>
  checkOrigin({ ...facts, method: 'POST', ...change }) === undefined;

t.test('checkOrigin() takes changes from the page of this origin alone', async (t) => {
  t.ok(origin({ origin: 'http://127.0.0.1:8474' }));
  t.ok(origin({ origin: 'https://hub.example.net', host: 'hub.example.net' }), 'a proxy speaks TLS');
  t.ok(origin({ fetchSite: 'same-origin' }));
  const behind = { origin: 'https://hub.example.net:8443', host: 'hub.example.net' };
  t.ok(origin({ ...behind, fetchSite: 'same-origin' }), 'a proxy that hands no port on');
  t.notOk(origin(behind), 'which may as well be another server of that host');
  t.notOk(origin({ ...behind, fetchSite: 'same-site' }));
  t.notOk(origin({}), 'a browser that says nothing');
  t.notOk(origin({ fetchSite: 'none' }), 'no user types a POST');
  for (const from of [
    'null',
    '',
    'http://evil.example',
    'http://127.0.0.1:8475',
    'http://127.0.0.1',
    'file://127.0.0.1:8474',
  ])
    t.notOk(origin({ origin: from }), from);
  for (const fetchSite of ['cross-site', 'same-site', 'nonsense'])
    t.notOk(origin({ fetchSite, origin: 'http://127.0.0.1:8474' }), fetchSite);
  t.notOk(origin({ fetchSite: 'same-origin', origin: 'http://evil.example' }));
  t.ok(origin({ method: 'GET' }) && origin({ method: 'GET', fetchSite: 'none' }));
  t.notOk(origin({ method: 'GET', fetchSite: 'cross-site' }), 'nor does another site read');
});
