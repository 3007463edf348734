/**
 * What a translator from IPv6 to IPv4 is to datagrams for one place: `PREFIXED PORT ADDRESS`. Each sender has a port of its own towards the
 * address, and hears what comes back as from the prefixed one. Says `ready`.
 */
import dgram from 'node:dgram';
import process from 'node:process';

const [prefixed = '', port = '', address = ''] = process.argv.slice(2);
const inside = dgram.createSocket({ type: 'udp6', ipv6Only: true });
const outside = new Map<string, dgram.Socket>();

function socketFor(from: dgram.RemoteInfo): dgram.Socket {
  const key = `${from.address} ${from.port}`;
  const known = outside.get(key);
  if (known !== undefined) return known;
  const socket = dgram.createSocket('udp4');
  socket.on('message', (datagram) => inside.send(datagram, from.port, from.address));
  outside.set(key, socket);
  return socket;
}

inside.on('message', (datagram, from) => socketFor(from).send(datagram, Number(port), address));
inside.bind(Number(port), prefixed, () => process.stdout.write('ready\n'));
