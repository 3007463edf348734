// Completion for bash and zsh, made of what the CLI says of itself. What runs at a keystroke reads folders and never starts the program.

/** What stands in `<…>` of an option or is an argument's name → what may stand there. */
const files = new Set(['file', 'config', 'folder']);
/** One that runs; `hawser init --name` names a new one. */
const isInstance = (option) => option.long === '--name' && option.description.startsWith('the instance');

function kindOf(option) {
  if (option.choices.length > 0) return { words: option.choices };
  if (isInstance(option)) return { instances: true };
  if (files.has(option.value)) return { files: true };
  return {};
}

const flagsOf = (command) => command.options.flatMap(({ short, long }) => [short, long].filter(Boolean));
const bashWords = (words) => `COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$cur"))`;

function bashOf(kind) {
  if (kind.words) return bashWords(kind.words);
  if (kind.instances) return 'COMPREPLY=($(compgen -W "$(_hawser_instances)" -- "$cur"))';
  // Known to readline as names of files, which get their slash or space there.
  return kind.files ? '_hawser_files' : 'COMPREPLY=()';
}

/** The word that stands at each place behind the command. */
function bashArguments(command) {
  const cases = command.arguments.map((argument, at) => {
    const kind = argument.choices.length > 0 ? { words: argument.choices } : { files: files.has(argument.name) };
    return `            ${at}) ${bashOf(kind)} ;;`;
  });
  return cases.length === 0 ? '        :' : ['        case $place in', ...cases, '        esac'].join('\n');
}

function bashCommand(command) {
  const valued = command.options.filter(({ takes }) => takes !== 'none');
  const lines = valued.map((option) => {
    const names = [option.short, option.long].filter(Boolean).join(' | ');
    return `        ${names}) ${bashOf(kindOf(option))}; return ;;`;
  });
  return [
    `    ${command.name})`,
    `        valued=' ${valued.flatMap(({ short, long }) => [short, long].filter(Boolean)).join(' ')} '`,
    ...(lines.length === 0 ? [] : ['        case $prev in', ...lines, '        esac']),
    `        if [[ $cur == -* ]]; then ${bashWords(flagsOf(command))}; return; fi`,
    '        _hawser_place',
    bashArguments(command),
    '        ;;',
  ].join('\n');
}

export function bashCompletion(program) {
  const names = program.commands.map(({ name }) => name);
  return `# Completion of hawser for bash; made by npm run package.
_hawser_instances() {
    local one
    for one in /run/hawser/*.sock; do [[ -e $one ]] && one=\${one##*/} && echo "\${one%.sock}"; done
}
_hawser_files() {
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$cur"))
}
# Which argument of the command is being written, options and their values aside.
_hawser_place() {
    local at word
    place=0
    for ((at = 2; at < COMP_CWORD; at++)); do
        word=\${COMP_WORDS[at]}
        if [[ $word == -* ]]; then [[ $valued == *" $word "* ]] && ((at++)); else ((place++)); fi
    done
    return 0
}
_hawser() {
    local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} place valued
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        ${bashWords([...names, 'help', ...flagsOf(program)])}
        return
    fi
    case \${COMP_WORDS[1]} in
    help) ((COMP_CWORD == 2)) && ${bashWords(names)} ;;
${program.commands.map(bashCommand).join('\n')}
    esac
}
complete -F _hawser hawser
`;
}

/** In single quotes, where brackets and colons end a part of a specification. */
const zshText = (text) => text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''");

function zshAction(kind) {
  if (kind.words) return `(${kind.words.join(' ')})`;
  if (kind.instances) return '_hawser_instances';
  return kind.files ? '_files' : ' ';
}

function zshCommand(command) {
  const options = command.options.map((option) => {
    const value = option.takes === 'none' ? '' : `:${option.value || 'value'}:${zshAction(kindOf(option))}`;
    const many = option.takes === 'many' ? '*' : '';
    return `${many}${option.long}[${zshText(option.description)}]${value}`;
  });
  const places = command.arguments.map(({ name, choices, isMany }) => {
    const kind = choices.length > 0 ? { words: choices } : { files: files.has(name) };
    return `${isMany ? '*' : ''}:${name}:${zshAction(kind)}`;
  });
  const lines = [...options, ...places].map((one) => `'${one}'`).join(' \\\n                ');
  return `            ${command.name})\n            _arguments ${lines} ;;`;
}

export function zshCompletion(program) {
  const listed = program.commands.map(({ name, description }) => `'${name}:${zshText(description)}'`);
  return `#compdef hawser
# Completion of hawser for zsh; made by npm run package.
_hawser_instances() {
    local -a names
    names=(/run/hawser/*.sock(N:t:r))
    compadd -a names
}
_hawser() {
    local -a commands
    commands=(
        ${listed.join('\n        ')}
    )
    local curcontext=$curcontext state line
    typeset -A opt_args
    _arguments -C '(- *)'{-v,--version}'[output the version number]' '(- *)'{-h,--help}'[display help]' '1:command:->command' '*::argument:->argument'
    case $state in
    command) _describe -t commands 'hawser command' commands ;;
    argument)
        case $line[1] in
${program.commands.map(zshCommand).join('\n')}
        esac
        ;;
    esac
}
_hawser "$@"
`;
}
