/** Names of links, peers, instances and checks: what may be one, whoever gives it. Without the schema, which threads need not load. */

/** The link of a configuration that names none. */
export const implicitLinkName = 'default';

/** Names become file names, socket names and actor ids (`wan-link.fibre`). */
export const namePattern = '^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$';
const asName = new RegExp(namePattern);
export const isName = (input: string): boolean => asName.test(input);
export const nameWords = { title: 'a name of 1 to 32 letters, digits, "-" or "_"', examples: ['home'] };
