// A comment that stands alone on its lines, and what a line is indented by.
const comment = /^[ \t]*(?:\/\/.*|\/\*(?:(?!\*\/)[\s\S])*\*\/)\n/gm;
const indentation = /^[ \t]+/gm;

/**
 * A script, stylesheet or page without what is written for its readers alone: a quarter of what a
 * phone in a crowd would load. It is no build: each line that is left is the line of the source.
 * Text over several lines (in a template literal or a `pre`) would lose its indentation: there is
 * none.
 */
export function slim(source: string): string {
  return source.replaceAll(comment, "").replaceAll(indentation, "");
}
