/** What a route does to a message's fields, ready to be applied. */
export interface HeaderEdits {
  /** Whole field lines, each with its CRLF. */
  readonly added: string;
  /** Names of `foldHeaderName`: every field is dropped whose name folds to one of them. */
  readonly removed: ReadonlySet<string>;
}
