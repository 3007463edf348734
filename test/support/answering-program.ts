/** A host that answers health probes: TCP and HTTP on 80, HTTPS on 443 (key and certificate as files), DNS on 53. */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import process from 'node:process';
import { answerOf } from './dns-server.ts';

const [keyFile = '', certificateFile = ''] = process.argv.slice(2);
/** After SIGUSR2 every page is that of a captive portal, and after the next one none. */
let isPortal = false;
process.on('SIGUSR2', () => {
  isPortal = !isPortal;
});
const answer: RequestListener = (_request, response) =>
  void (isPortal ? response.writeHead(302, { Location: 'http://portal.test/login' }) : response.writeHead(204)).end();
createHttp(answer).listen(80);
createHttps({ key: readFileSync(keyFile), cert: readFileSync(certificateFile) }, answer).listen(443);
const dns = createSocket('udp4');
dns.on('message', (query, { address, port }) => {
  const reply = answerOf({ localhost: { a: ['127.0.0.1'] } }, query);
  if (reply !== undefined) dns.send(reply, port, address);
});
dns.bind(53, () => process.stdout.write('ready\n'));
