/** What to tell a person whose word has changed the links of a running instance: how long it lasts, and what keeps it so. */
import { blockStyle, findLinks, linkLines } from '../config/link-lines.ts';
import { implicitLinkName as implicit } from '../config/names.ts';
import type { NewLink } from '../control/supervisor-api.ts';

const reload = 'a reload (`hawser reload`, SIGHUP)';
const unread = 'which cannot be read now';

/** `text`: what stands in the configuration file `file`; undefined = it cannot be read here. */
export function adviseOnAdded(link: NewLink, file: string, text: string | undefined): string[] {
  const lasts = `Until the daemon stops or reloads: ${reload} goes by ${file} and drops "${link.name}" again.`;
  const found = text === undefined ? undefined : findLinks(text);
  if (found === undefined)
    return [lasts, `To keep it, add to "links" in ${file} (${unread}):`, ...linkLines(link, blockStyle)];
  const same = found.links.find((one) => one.name === link.name);
  if (same !== undefined) {
    return [
      `Until the daemon stops or reloads: then "${link.name}" is as ${lineOf(same.firstLine, file)} has it:`,
      ...same.lines,
    ];
  }
  const lines = linkLines(link, found);
  if (found.links.length === 0) {
    const how = `To keep it, let ${file} say (without "links" it means one, "${implicit}"):`;
    const both = [...linkLines({ name: implicit }, found), ...lines];
    return [lasts, how, ...(found.isFlow ? [`"links":[${both.join(',')}]`] : ['links:', ...both])];
  }
  return [lasts, `To keep it, add to "links" in ${file}:`, ...lines];
}

export function adviseOnRemoved(name: string, file: string, text: string | undefined): string[] {
  const lasts = `Until the daemon stops or reloads: ${reload} goes by ${file} and brings "${name}" back`;
  const found = text === undefined ? undefined : findLinks(text);
  if (found === undefined) return [`${lasts} if it stands there (${unread}).`];
  const { links, isFlow } = found;
  const gone = links.find((one) => one.name === name);
  if (gone === undefined) {
    if (links.length > 0 || name !== implicit) return [`For good: ${file} has no link "${name}".`];
    return [`${lasts}: without "links" it means that one.`, 'To keep it away, name those that are left there.'];
  }
  const { firstLine, lines } = gone;
  const last = firstLine + lines.length - 1;
  const where = lines.length === 1 ? lineOf(firstLine, file) : `lines ${firstLine}-${last} of ${file}`;
  const what = isFlow ? `this item of "links" (${where})` : where;
  const others = links.length > 1 ? '' : ` and name another link there (with none it means "${implicit}")`;
  return [`${lasts}.`, `To keep it away, remove ${what}${others}:`, ...lines];
}

function lineOf(number: number, file: string): string {
  return `line ${number} of ${file}`;
}
