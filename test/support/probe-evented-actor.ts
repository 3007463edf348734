/** The probe as an evented actor that asks the supervisor over RPC when it is told `ask`. */
import type { ActorContext, ActorDefinition } from '../../src/actors/kit/contract.ts';
import { RpcClient } from '../../src/actors/kit/rpc.ts';
import { startProbe } from './probe-actor.ts';

export const definition: ActorDefinition = {
  role: 'control-server',
  turn: 'evented',
  start(context: ActorContext) {
    const inner = startProbe(context);
    if (context.supervisor === undefined) throw new Error('no port to the supervisor');
    const client = new RpcClient<{ double(value: number): number }>(context.supervisor);
    return {
      work: (nowUs) => inner.work(nowUs),
      onCommand(command) {
        if (command.kind !== 'ask') inner.onCommand(command);
        else
          void client
            .request('double', 21)
            .then((answer) => context.emit({ kind: 'warning', message: `answer ${answer}` }));
      },
      close() {
        client.close();
        inner.close();
      },
    };
  },
};
