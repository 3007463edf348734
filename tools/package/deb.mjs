// The Debian package around a program tree: where its files lie, what dpkg is told of it, and the scripts it runs.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { bashCompletion, zshCompletion } from './completion.mjs';
import { manualPages } from './manual.mjs';
import { debVersion, filesBelow, run, setModes, setTimes } from './tree.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const maintainer = `${process.env.DEBFULLNAME ?? 'Hawser'} <${process.env.DEBEMAIL ?? 'packages@hawser.invalid'}>`;
/** Node's license wherever its packages put it: nodejs.org's archive, NodeSource's and Debian's package. */
const nodeLicenses = (node) => [
  path.resolve(path.dirname(node), '../LICENSE'),
  '/usr/share/doc/nodejs/LICENSE',
  '/usr/share/doc/nodejs/copyright',
];

/**
 * Lays out `stage` (which must not be there) and packs it as `deb`. `tree`: the program; `program`: what `readCommands` says;
 * `processor`: Debian's name; `depends`: of what it links to; `compression`: of dpkg-deb.
 */
export function makeDeb({ stage, deb, tree, node, program, version, processor, depends, epochS, compression }) {
  const put = (file, content) => {
    const whole = path.join(stage, file);
    mkdirSync(path.dirname(whole), { recursive: true });
    writeFileSync(whole, content);
  };
  // Level and no name nor time: the same bytes each time.
  const putGzip = (file, text) => put(`${file}.gz`, gzipSync(text, { level: 9 }));

  cpSync(tree, path.join(stage, 'usr/lib/hawser/package'), { recursive: true });
  mkdirSync(path.join(stage, 'usr/bin'), { recursive: true });
  symlinkSync('../lib/hawser/current/bin/hawser', path.join(stage, 'usr/bin/hawser'));
  put(
    'usr/lib/systemd/system/hawser@.service',
    unitOf(readFileSync(path.join(root, 'packaging/hawser@.service'), 'utf8')),
  );
  for (const [name, text] of manualPages(program, { version, dateS: epochS }))
    putGzip(`usr/share/man/man8/${name}`, text);
  put('usr/share/bash-completion/completions/hawser', bashCompletion(program));
  put('usr/share/zsh/vendor-completions/_hawser', zshCompletion(program));

  const docs = 'usr/share/doc/hawser';
  cpSync(path.join(root, 'docs/operating'), path.join(stage, docs, 'operating'), { recursive: true });
  cpSync(path.join(root, 'packaging/plugins'), path.join(stage, docs, 'plugins'), { recursive: true });
  put(`${docs}/README.md`, readFileSync(path.join(root, 'README.md')));
  putGzip(`${docs}/CHANGELOG.md`, readFileSync(path.join(root, 'CHANGELOG.md')));
  putGzip(`${docs}/changelog`, changelogOf(version, epochS));
  put(`${docs}/copyright`, copyrightOf(tree, node));
  put('usr/share/lintian/overrides/hawser', overrides);
  mkdirSync(path.join(stage, 'etc/hawser'), { recursive: true });
  setModes(stage);
  run('chmod', ['0700', path.join(stage, 'etc/hawser')]);

  const sizeKib = filesBelow(stage).reduce(
    (sum, file) => sum + Math.ceil(lstatSync(path.join(stage, file)).size / 1024),
    0,
  );
  put('DEBIAN/control', controlOf({ version, processor, depends, sizeKib }));
  put('DEBIAN/md5sums', sumsOf(stage));
  for (const name of ['postinst', 'prerm', 'postrm']) {
    const text = readFileSync(path.join(root, 'packaging/deb', name), 'utf8');
    put(`DEBIAN/${name}`, text.replaceAll('@VERSION@', version).replaceAll('@DEBVERSION@', debVersion(version)));
    run('chmod', ['0755', path.join(stage, 'DEBIAN', name)]);
  }
  setTimes(stage, epochS);
  run('dpkg-deb', [`-Z${compression}`, '--root-owner-group', '--build', stage, deb], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epochS) },
  });
}

/** The unit of the sources starts whatever `hawser` is found; here it is known, and old versions are removed when nothing runs from them. */
function unitOf(text) {
  const [comment, ...rest] = text.split('\n\n');
  const named = rest
    .join('\n\n')
    .replace(
      'Description=Hawser tunnel %i',
      'Description=Hawser tunnel %i\nDocumentation=man:hawser(8) file:/usr/share/doc/hawser/operating',
    )
    .replace(
      /^ExecStart=hawser (.*)$/m,
      'ExecStart=/usr/bin/hawser $1\nExecStartPost=+-/usr/lib/hawser/current/bin/sweep',
    );
  if (!/^ExecStart=\/usr\/bin\/hawser up.*\nExecStartPost=/m.test(named) || !comment.startsWith('#'))
    throw new Error('packaging/hawser@.service is not what tools/package/deb.mjs expects');
  return `# One instance of Hawser: hawser@home.service runs /etc/hawser/home.yaml (systemctl enable --now hawser@home).\n\n${named}`;
}

function controlOf({ version, processor, depends, sizeKib }) {
  return `Package: hawser
Version: ${debVersion(version)}
Architecture: ${processor}
Maintainer: ${maintainer}
Installed-Size: ${sizeKib}
Depends: ${depends}
Recommends: ca-certificates, iproute2, nftables
Section: net
Priority: optional
Description: several unreliable Internet links as one encrypted rope
 Hawser is a daemon at each end of a tunnel. It uses all links of a host at
 once, survives the death of any of them without losing packets, and speaks
 WireGuard, so that stock WireGuard clients connect to it.
 .
 This package holds the Node.js that it runs by, and touches no other.
`;
}

function sumsOf(stage) {
  const lines = filesBelow(stage)
    .filter((file) => !file.startsWith('DEBIAN/') && lstatSync(path.join(stage, file)).isFile())
    .map(
      (file) =>
        `${createHash('md5')
          .update(readFileSync(path.join(stage, file)))
          .digest('hex')}  ${file}\n`,
    );
  return lines.join('');
}

function changelogOf(version, epochS) {
  const date = new Date(epochS * 1000).toUTCString().replace('GMT', '+0000');
  return `hawser (${debVersion(version)}) unstable; urgency=medium\n\n  * What is new: CHANGELOG.md.gz beside this file.\n\n -- ${maintainer}  ${date}\n`;
}

/** Ours, Node's, and that of each library in the tree. */
function copyrightOf(tree, node) {
  const parts = ['Hawser: MIT license.\n'];
  const nodeLicense = nodeLicenses(node).find(existsSync);
  const nodeText =
    nodeLicense === undefined ? 'https://github.com/nodejs/node/blob/main/LICENSE' : readFileSync(nodeLicense, 'utf8');
  const modules = filesBelow(path.join(tree, 'node_modules'));
  for (const file of modules.filter((one) => /(^|node_modules\/)(@[^/]+\/)?[^/]+\/package\.json$/.test(one))) {
    const folder = path.dirname(file);
    const { name, version, license } = JSON.parse(readFileSync(path.join(tree, 'node_modules', file), 'utf8'));
    const text = modules.find(
      (one) => path.dirname(one) === folder && /^(licen[cs]e|copying)/i.test(path.basename(one)),
    );
    parts.push(
      `${name} ${version}: ${license}\n\n${text === undefined ? '' : readFileSync(path.join(tree, 'node_modules', text), 'utf8')}`,
    );
  }
  parts.push(`Node.js:\n\n${nodeText}`);
  return parts.join(`\n${'-'.repeat(72)}\n\n`).replaceAll('\r', '');
}

/** What lintian would rather have otherwise, and why it is so. */
const overrides = `# Keys lie there.
hawser: non-standard-dir-perm 0700 != 0755 [etc/hawser/]
# Node as nodejs.org or NodeSource build it: it brings its own OpenSSL, zlib and others.
hawser: embedded-library *
hawser: hardening-no-pie [usr/lib/hawser/package/bin/node]
# Libraries as npm has them, with their licenses in a file each and all together in one.
hawser: embedded-javascript-library *
hawser: extra-license-file *
hawser: copyright-file-contains-full-apache-2-license
hawser: copyright-not-using-common-license-for-gpl
hawser: old-fsf-address-in-copyright-file
# deb-systemd-invoke restarts; this package leaves what runs alone (docs/adr/0038).
hawser: maintainer-script-calls-systemctl *
`;
