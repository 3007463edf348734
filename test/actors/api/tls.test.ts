/** HTTP within TLS: the files of the configuration, and those that take their place while it runs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import t from 'tap';
import { ownCertificate } from '../../../src/io/tls/own-certificate.ts';
import { ask, bearer, startFakeApi } from '../../support/fake-api.ts';

/** The serial number of the certificate that is shown. */
function serialAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

t.test('a certificate that is renewed is taken, once its key fits it', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const tls = { certificate: path.join(folder, 'c.pem'), key: path.join(folder, 'k.pem') };
  const [first, second] = [
    ownCertificate(folder, 'one', 'hub.example.net'),
    ownCertificate(folder, 'two', 'hub.example.net'),
  ];
  writeFileSync(tls.certificate, first.certificate);
  writeFileSync(tls.key, first.key);
  const { port, tokens, supervisor, emitted } = await startFakeApi(t, { tls });
  const headers = bearer(tokens.viewer);
  t.match(await ask(port, '/api/v1/me', { headers, isTls: true }), { status: 200 });
  await t.rejects(ask(port, '/api/v1/me', { headers }), 'nothing is answered without TLS');
  const { url } = supervisor.openLogin('viewer');
  t.match(url, /^https:/);
  const code = url.split('#login=')[1];
  const login = await ask(port, '/api/v1/login', { method: 'POST', body: { code }, isTls: true });
  t.match(login.headers['set-cookie'], [/; SameSite=Strict; Secure$/]);

  const before = await serialAt(port);
  writeFileSync(tls.certificate, second.certificate);
  await sleep(200);
  t.equal(await serialAt(port), before, 'the key is still that of the old one');
  t.ok(emitted.some((event) => event.kind === 'log' && /not renewed: The key in/.test(event.message)));
  writeFileSync(tls.key, second.key);
  for (let tries = 0; tries < 200 && (await serialAt(port)) === before; tries += 1) await sleep(20);
  t.not(await serialAt(port), before);
  t.match(await ask(port, '/api/v1/me', { headers, isTls: true }), { status: 200 });
});

t.test('without files that can be read HTTP is off, and says why', async (t) => {
  const { emitted } = await startFakeApi(t, { tls: { certificate: '/nowhere/c.pem', key: '/nowhere/k.pem' } });
  t.match(emitted, [{ kind: 'api-off', reason: /Cannot read the certificate \/nowhere\/c\.pem/ }]);
});
