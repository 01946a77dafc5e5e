/** `seglog completion`: prints the script that makes a shell complete seglog's commands, flags and topics. */
import { Argument, Command } from 'commander';
import type { Io } from '../io.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

export function completionCommand(io: Io): Command {
  return new Command('completion')
    .description('print the completion script of a shell')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  echo 'source <(seglog completion bash)' >> ~/.bashrc
  echo 'source <(seglog completion zsh)' >> ~/.zshrc
  seglog completion fish > ~/.config/fish/completions/seglog.fish`,
    )
    .action(async (shell: (typeof SHELLS)[number]) => {
      const { COMPLETION_SCRIPTS } = await import('../completion-scripts.ts');
      io.stdout.write(COMPLETION_SCRIPTS[shell]);
    });
}

/** What the scripts call; nobody types it. */
export function completeCommand(io: Io): Command {
  return new Command('complete')
    .argument('[words...]')
    .allowUnknownOption()
    .action(async (words: string[], _flags: object, command: Command) => {
      const { candidates } = await import('../completion-candidates.ts');
      const found = await candidates(command.parent!, words, io.env);
      const lines = found.map(({ value, description }) =>
        description ? `${value}\t${description}\n` : `${value}\n`,
      );
      io.stdout.write(lines.join(''));
    });
}
