// The files of src/native/sys that its own tests and the fuzz targets are built of, without Node.
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const names = [
  ...[
    'checksum',
    'coalesce',
    'faketcp_answers',
    'faketcp_flows',
    'faketcp_headers',
    'faketcp_receive',
    'faketcp_send',
    'flight',
    'flight_report',
    'flight_resend',
    'fragments',
    'link_dress',
    'link_receive',
    'link_send',
    'obfuscation',
    'open',
  ],
  ...[
    'open_authenticate',
    'open_deliver',
    'open_dispatch',
    'open_path',
    'reorder',
    'report',
    'seal',
    'seal_long',
    'segment',
    'socket_errors',
    'too_big',
    'train_intake',
    'tun',
    'tun_sorter',
  ],
  ...['fec_decode', 'fec_encode', 'fec_groups', 'galois', 'galois_arm', 'galois_x86', 'reed_solomon'],
];

/** `stub/aead.cc` stands in for the file that needs OpenSSL. */
export const testedSources = [
  ...names.map((name) => path.join(root, 'src/native/sys', `${name}.cc`)),
  path.join(root, 'test/native/stub/aead.cc'),
];
