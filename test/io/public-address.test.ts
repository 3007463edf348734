/** Which addresses a webhook may call. */
import t from 'tap';
import { isPublicAddress } from '../../src/io/public-address.ts';

t.test('isPublicAddress() takes what the Internet routes', async (t) => {
  for (const address of [
    '8.8.8.8',
    '1.1.1.1',
    '100.63.255.255',
    '172.32.0.1',
    '223.255.255.255',
    '2a00:1450:4001::8',
    '2620:fe::fe',
    '64:ff9b::808:808',
  ])
    t.ok(isPublicAddress(address), address);
});

t.test('isPublicAddress() refuses what only a host or a site has, however it is written', async (t) => {
  const refused = [
    ...[
      '127.0.0.1',
      '127.255.0.9',
      '0.0.0.0',
      '10.9.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '100.64.0.1',
      '169.254.169.254',
    ],
    ...['224.0.0.1', '255.255.255.255', '192.0.2.1', '198.18.0.1', '240.0.0.1'],
    ...[
      '::',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '::127.0.0.1',
      'fe80::1',
      'fe80::1%eth0',
      'fd00:9::1',
      'fec0::1',
      'ff02::1',
    ],
    ...['2001:db8::1', '2002:7f00:1::', '2001::1', '64:ff9b::7f00:1', '64:ff9b::a09:1', '64:ff9b:1::1', '100::1'],
    ...['', 'localhost', '8.8.8', '0x7f.1', '8.8.8.8 '],
  ];
  for (const address of refused) t.notOk(isPublicAddress(address), address);
});
