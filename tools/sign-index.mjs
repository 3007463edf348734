// For who publishes releases: keys, and the signed index that `hawser update` reads (docs/operating/updating.md).
//   sign-index.mjs --new-key FILE                            makes a private key (mode 0600) and prints its public half for `update.key`
//   sign-index.mjs --key FILE --out FOLDER --serial N [--days 30] [--url BASE] hawser-VERSION-linux-ARCH.tar.gz …
//                                                            writes FOLDER/index.json and index.json.sig
import { spawnSync } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';

const archiveName = /^hawser-(.+)-(linux-(?:x64|arm64))\.tar\.gz$/;
const dayMs = 86_400_000;

function publicText(privateKey) {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  return Buffer.from(x, 'base64url').toString('base64');
}

function makeKey(file) {
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(file, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600, flag: 'wx' });
  console.log(publicText(privateKey));
}

/** What the files take on the disk, in blocks of 4 KiB. */
function unpackedBytes(archive) {
  const { stdout, status } = spawnSync('tar', ['-tvzf', archive], { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${archive} is no archive`);
  return stdout
    .split('\n')
    .map((line) => Number(line.trim().split(/\s+/)[2] ?? 0))
    .reduce((sum, size) => sum + Math.ceil(size / 4096) * 4096 + 4096, 0);
}

function describe(archive, base) {
  const [, version, platform] = archiveName.exec(path.basename(archive)) ?? [];
  if (version === undefined) throw new Error(`${archive} is not called hawser-VERSION-linux-ARCH.tar.gz`);
  const bytes = readFileSync(archive);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const url = base === undefined ? path.basename(archive) : new URL(path.basename(archive), base).href;
  return { version, platform, file: { url, size: bytes.length, sha256, unpacked: unpackedBytes(archive) } };
}

function signIndex({ key, out, serial, days, url }, archives) {
  const described = archives.map((archive) => describe(archive, url));
  const versions = new Set(described.map(({ version }) => version));
  if (versions.size !== 1)
    throw new Error(`The archives are of ${versions.size} versions: ${[...versions].join(', ')}`);
  if (!/^[1-9]\d*$/.test(serial ?? '')) throw new Error('--serial is a number that grows with each index');
  const nowMs = Date.now();
  const index = {
    format: 'hawser-update-index/1',
    serial: Number(serial),
    version: [...versions][0],
    date: new Date(nowMs).toISOString(),
    expires: new Date(nowMs + Number(days) * dayMs).toISOString(),
    files: Object.fromEntries(described.map(({ platform, file }) => [platform, file])),
  };
  const bytes = Buffer.from(`${JSON.stringify(index, null, 2)}\n`);
  const signature = sign(null, bytes, createPrivateKey(readFileSync(key)));
  // Each is there whole; who reads between the two sees a wrong signature and tries again.
  for (const [name, content] of [
    ['index.json', bytes],
    ['index.json.sig', `${signature.toString('base64')}\n`],
  ]) {
    const draft = path.join(out, `.${name}.new`);
    writeFileSync(draft, content);
    renameSync(draft, path.join(out, name));
  }
  console.log(`${path.join(out, 'index.json')}: ${index.version}, serial ${index.serial}, until ${index.expires}`);
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'new-key': { type: 'string' },
      key: { type: 'string' },
      out: { type: 'string', default: '.' },
      serial: { type: 'string' },
      days: { type: 'string', default: '30' },
      url: { type: 'string' },
    },
  });
  if (values['new-key'] !== undefined) makeKey(values['new-key']);
  else if (values.key === undefined || positionals.length === 0)
    throw new Error('--key FILE and archives are needed, or --new-key FILE');
  else signIndex(values, positionals);
} catch (error) {
  console.error(`Cannot sign: ${error.message}`);
  process.exitCode = 1;
}
