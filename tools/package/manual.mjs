// Manual pages (man(7)) made of what the CLI says of itself: hawser(8), and hawser-COMMAND(8) for each command.

/** `\` and `-` as roff takes them; a line may begin with neither `.` nor `'`. */
function roff(text) {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1')
    .replace(/[^\0-\x7f]/gu, (other) => `\\[u${other.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}]`);
}

/** In a quoted argument of a request. */
const quoted = (text) => `"${roff(text).replaceAll('"', '\\(dq')}"`;

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;

function terms(entries) {
  return entries.flatMap(({ term, text }) => ['.TP', `.B ${quoted(term)}`, roff(sentence(text))]);
}

/** Examples stay as they are written; other lines are a paragraph. */
function after(text) {
  if (text === '') return [];
  const lines = [];
  for (const block of text.split(/\n\s*\n/)) {
    const [head = '', ...rest] = block.split('\n');
    if (/^[A-Z][A-Za-z ]+:$/.test(head)) lines.push(`.SH ${roff(head.slice(0, -1).toUpperCase())}`, ...literal(rest));
    else if (/^Exit codes: /.test(block))
      lines.push(
        '.SH EXIT STATUS',
        roff(block.slice('Exit codes: '.length).replace(/^./, (first) => first.toUpperCase())),
      );
    else
      lines.push(
        ...(lines.length === 0 ? ['.SH NOTES'] : ['.PP']),
        ...block.split('\n').map((line) => roff(line.trim())),
      );
  }
  return lines;
}

const literal = (rest) => ['.nf', ...rest.map((line) => roff(line.replace(/^ {2}/, ''))), '.fi'];

function page({ title, name, description, usage, body, version, date, also }) {
  const day = new Date(date * 1000).toISOString().slice(0, 10);
  return [
    `.TH ${quoted(title.toUpperCase())} 8 "${day}" ${quoted(`hawser ${version}`)} "System administration"`,
    '.SH NAME',
    `${roff(name)} \\- ${roff(description.replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    `.B ${quoted(usage)}`,
    ...body,
    '.SH SEE ALSO',
    ...also.map((one, at) => `.BR ${roff(one)} (8)${at < also.length - 1 ? ' ,' : ''}`),
    '',
  ].join('\n');
}

/** File name → text of each page. */
export function manualPages(program, { version, dateS }) {
  const pages = new Map();
  const groups = [...new Set(program.commands.map(({ heading }) => heading))];
  const listed = groups.flatMap((heading) => [
    `.SS ${quoted(heading.replace(/:$/, ''))}`,
    ...terms(
      program.commands
        .filter((command) => command.heading === heading)
        .map((command) => ({ term: command.usage.replace(/ \[options\]/, ''), text: command.description })),
    ),
  ]);
  pages.set(
    'hawser.8',
    page({
      title: 'hawser',
      name: 'hawser',
      description: program.description,
      usage: program.usage,
      body: [
        '.SH OPTIONS',
        ...terms(program.options.map(({ flags, description }) => ({ term: flags, text: description }))),
        '.SH COMMANDS',
        ...listed,
        '.SH FILES',
        ...terms([
          {
            term: '/etc/hawser/NAME.yaml',
            text: 'configuration of the service hawser@NAME; `hawser schema` prints what it may hold',
          },
          {
            term: '/etc/hawser/restart-on-upgrade',
            text: 'where it exists, an upgrade of the package restarts the instances',
          },
          { term: '/var/lib/hawser', text: 'what outlives a process: endpoints, clients, what updates were seen' },
          { term: '/run/hawser/NAME.sock', text: 'by which these commands reach a running instance' },
        ]),
        ...after(program.after),
      ],
      version,
      date: dateS,
      also: program.commands.map(({ name }) => `hawser-${name}`),
    }),
  );
  for (const command of program.commands) {
    const section = (heading, entries) => (entries.length === 0 ? [] : [`.SH ${heading}`, ...terms(entries)]);
    pages.set(
      `hawser-${command.name}.8`,
      page({
        title: `hawser-${command.name}`,
        name: `hawser-${command.name}`,
        description: command.description,
        usage: command.usage,
        body: [
          ...section(
            'ARGUMENTS',
            command.arguments.map(({ name, description }) => ({ term: name, text: description })),
          ),
          ...section(
            'OPTIONS',
            command.options.map(({ flags, description }) => ({ term: flags, text: description })),
          ),
          ...after(command.after),
        ],
        version,
        date: dateS,
        also: ['hawser'],
      }),
    );
  }
  return pages;
}
