/**
 * Why a Postgres program failed, in one line, from what it wrote to stderr. The statement that
 * failed is left out: it may carry a password.
 */
export function postgresFailure(output: string): string {
  const errors = output
    .split("\n")
    // A line that starts with white space goes on with the one before.
    .map(
      (line) =>
        /^\S.*?\b(?<kind>[A-Z]+): {2}(?<text>.*)$|^(?:postgres|initdb): (?!hint|detail)(?<plain>.*)$/.exec(line)
          ?.groups,
    )
    .filter((line) => line !== undefined)
    .filter(({ kind, plain }) => plain || ["ERROR", "FATAL", "PANIC"].includes(kind ?? ""));
  const last = errors.at(-1);
  return last?.plain ?? last?.text ?? "it does not say why";
}
