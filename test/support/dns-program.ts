/** A DNS server on port 53 of every address of its host, for one zone: JSON of a `Zone` as argument. Says `ready`. */
import dgram from 'node:dgram';
import process from 'node:process';
import { answerOf, type Zone } from './dns-server.ts';

const zone = JSON.parse(process.argv[2] ?? '{}') as Zone;
const socket = dgram.createSocket({ type: 'udp6', ipv6Only: false });
socket.on('message', (query, from) => {
  const answer = answerOf(zone, query);
  if (answer !== undefined) socket.send(answer, from.port, from.address);
});
socket.bind(53, '::', () => process.stdout.write('ready\n'));
