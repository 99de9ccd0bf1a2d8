/** A field that is added to a message. Names are in lower case. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** Takes fields, in order: lines of text, or a block of HTTP/2. */
export interface FieldWriter {
  field(name: string, value: string): void;
}

/** The fields of a message, in their order. Text is latin1: one character is one byte. */
export interface FieldAccess {
  readonly count: number;
  /** In lower case. */
  nameAt(index: number): string;
  /** Without blanks around it. */
  valueAt(index: number): string;
  /** A `FieldKind`. */
  kindAt(index: number): number;
  /**
   * A character of a name, as a code in lower case, without creating the name: for a quick check. Undefined content if
   * the name is shorter.
   */
  nameCodeAt(index: number, offset: number): number;
  /** A character of a value, as a code in lower case, in the same way. */
  valueCodeAt(index: number, offset: number): number;
  /** The value of a field by its lower-case name; several are joined (RFC 9110 §5.3). `undefined`: none. */
  get(name: string): string | undefined;
  /** Whether a name folds to this one (`foldHeaderName`). */
  hasFolded(folded: string): boolean;
  /** Names in lower case that the message's own `Connection` lists: they concern its hop alone. Usually empty. */
  readonly hopNames: readonly string[];
}

export const NO_NAMES: readonly string[] = [];
