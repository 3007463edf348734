/** Pairs of keys that are made by the thousand, in threads as small as the daemon's. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { generateKeyPair, importKeyPair } from '../../src/crypto/x25519.ts';

t.test('both halves of a pair belong together', (t) => {
  const one = generateKeyPair();
  const other = generateKeyPair();
  t.equal(one.publicKey.length, 32);
  const raw = one.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32);
  const again = importKeyPair(raw);
  t.same(again.publicKey, one.publicKey);
  t.not(Buffer.from(one.publicKey).toString('hex'), Buffer.from(other.publicKey).toString('hex'));
  t.end();
});

// A JWK of a pair just made stopped two of five such processes for ever.
t.test('pairs are made while garbage is collected', (t) => {
  const module = path.join(import.meta.dirname, '../../src/crypto/x25519.js');
  const program = `import { generateKeyPair } from ${JSON.stringify(module)}; for (let i = 0; i < 3000; i += 1) generateKeyPair();`;
  const args = ['--max-semi-space-size=1', '--input-type=module', '--eval', program];
  for (let round = 0; round < 6; round += 1) {
    const { status, signal } = spawnSync(process.execPath, args, { timeout: 60_000, killSignal: 'SIGKILL' });
    t.match({ status, signal }, { status: 0, signal: null });
  }
  t.end();
});
