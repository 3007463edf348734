/** What the host is found to have: by the program, as root or not, and without the right that matters. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import t from 'tap';
import { rightsRemedy } from '../../src/io/host-rights.ts';
import type { Finding } from '../../src/io/preflight.ts';

const program = path.resolve(import.meta.dirname, '../../src/cli/main.js');
const isRoot = process.getuid?.() === 0;
/** Still root, since another user could not read a clone below /root. */
const withoutRights = ['--inh-caps=-net_admin', '--bounding-set=-net_admin'];

function doctor(command: string, args: readonly string[]): { status: number | null; findings: readonly Finding[] } {
  const { status, stdout, stderr } = spawnSync(command, [...args, program, 'doctor', '--json'], { encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return { status, findings: JSON.parse(stdout) as Finding[] };
}

t.test('inspectHost() has something to say of everything, and a remedy for what is not good', async (t) => {
  const { status, findings } = doctor(process.execPath, []);
  for (const { level, subject, detail, remedy } of findings) {
    t.ok(detail !== '', subject);
    t.equal(remedy === '', level === 'good', `${subject}: ${level}, ${remedy}`);
  }
  t.equal(
    status === 0,
    findings.every(({ level }) => level !== 'missing'),
  );
  for (const subject of ['node', 'rights', 'tun', 'udp offloads', 'socket buffers', 'ipv6', 'policy routing', 'aes']) {
    t.ok(
      findings.some((finding) => finding.subject === subject),
      subject,
    );
  }
});

t.test(
  'a process without CAP_NET_ADMIN is told so at once',
  { skip: isRoot ? false : 'needs root to drop rights' },
  (t) => {
    const { status, findings } = doctor('setpriv', [...withoutRights, process.execPath]);
    t.equal(status, 1);
    t.match(
      findings.find(({ subject }) => subject === 'rights'),
      { level: 'missing', detail: /lacks CAP_NET_ADMIN/, remedy: /run as root/ },
    );
    t.end();
  },
);

const mapped = ['--user', '--map-root-user'];
const canMap = spawnSync('unshare', [...mapped, 'true']).status === 0;

t.test(
  'root of a user namespace alone is not told to be root',
  { skip: canMap ? false : 'needs user namespaces' },
  async (t) => {
    t.match(rightsRemedy('CAP_NET_RAW', '         0          0 4294967295\n'), /^run as root or with CAP_NET_RAW$/);
    const { status, findings } = doctor('unshare', [...mapped, process.execPath]);
    t.equal(status, 1);
    const refused = findings.filter(({ level }) => level === 'missing');
    t.match(refused, [{ detail: /EPERM/, remedy: /root of a user namespace alone.*unshare --net/ }]);
  },
);
