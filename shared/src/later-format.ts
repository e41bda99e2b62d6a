/** What only a process of a later release can read: it is left to one. */
export class LaterFormat extends Error {
  constructor() {
    super("Written by a later release than this process is of");
    this.name = "LaterFormat";
  }
}
