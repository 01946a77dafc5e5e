/** The shells' completion scripts. They know nothing of seglog's commands: they ask `seglog complete` each time. */
import { DIRECTORIES, FILES } from './completion-candidates.ts';

const BASH = `# bash completion of seglog: source <(seglog completion bash)
_seglog() {
  local cur=\${COMP_WORDS[COMP_CWORD]} value description IFS=$'\\n'
  COMPREPLY=()
  while IFS=$'\\t' read -r value description; do
    case $value in
      ${FILES}) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -f -- "$cur")) ;;
      ${DIRECTORIES}) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -d -- "$cur")) ;;
      *) COMPREPLY+=("$value") ;;
    esac
  done < <("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _seglog seglog
`;

const ZSH = `#compdef seglog
# zsh completion of seglog: source <(seglog completion zsh), or a file _seglog in $fpath
_seglog() {
  local line paths
  local -a found
  for line in "\${(@f)$("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      ${FILES}) paths=files ;;
      ${DIRECTORIES}) paths=directories ;;
      ?*) found+=("\${\${line//:/\\\\:}/$'\\t'/:}") ;;
    esac
  done
  (( $#found )) && _describe -V seglog found
  [[ $paths == files ]] && _files
  [[ $paths == directories ]] && _files -/
}
if [[ $funcstack[1] == _seglog ]]; then _seglog "$@"; else compdef _seglog seglog; fi
`;

const FISH = `# fish completion of seglog: seglog completion fish | source
function __seglog_complete
  set -l words (commandline -opc)
  for line in ($words[1] complete -- $words[2..-1] (commandline -ct) 2>/dev/null)
    switch $line
      case '${FILES}'
        __fish_complete_path (commandline -ct)
      case '${DIRECTORIES}'
        __fish_complete_directories (commandline -ct)
      case '*'
        echo $line
    end
  end
end
complete -c seglog -f -a '(__seglog_complete)'
`;

export const COMPLETION_SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const;
