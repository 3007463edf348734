/** `hawser open`: the address of the web page, with a code that logs one browser in. */
import { type Command, Option } from 'commander';
import { type Role, roles } from '../control/roles.ts';
import { ask } from './control-client.ts';
import { addInstanceCommand, type InstanceOptions, printResult } from './instance-command.ts';

interface OpenOptions extends InstanceOptions {
  readonly role: Role;
}

export function addOpenCommand(program: Command): void {
  addInstanceCommand(program, 'open', "print the web page's address with a login for one browser")
    .addOption(new Option('--role <role>', 'what the browser may do').choices(roles).default('admin'))
    .addHelpText(
      'after',
      `
Examples:
  hawser open
  hawser open --role viewer
  ssh -L 8474:127.0.0.1:8474 hub     # then open what \`hawser open\` printed there on this machine
The code works once, within a minute; the login lasts twelve hours, or until the daemon ends.
`,
    )
    .action(async (options: OpenOptions) => {
      printResult(options, await ask(options, 'login.open', { role: options.role }), ({ url, seconds }) => [
        url,
        `(works once, within ${seconds} s)`,
      ]);
    });
}
