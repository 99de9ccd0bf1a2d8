/** What a route does to a message's fields, ready to be applied. */
export interface HeaderEdits {
  /** Whole field lines, each with its CRLF. */
  readonly added: string;
  /** Lower-case names; what comes under them is dropped. */
  readonly removed: ReadonlySet<string>;
}
