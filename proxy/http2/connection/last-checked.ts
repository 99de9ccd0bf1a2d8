import type { Checked, Http2Fields } from "../message-head.ts";

/** The verdict on the last head of a connection: a block that is known has the same fields, the very same object. */
export class LastChecked<Head> {
  #fields: Http2Fields | undefined;
  #kind = 0;
  #checked: Checked<Head> | undefined;

  /** @param kind what the verdict depends on besides the fields. */
  get(fields: Http2Fields, kind: number): Checked<Head> | undefined {
    return this.#fields === fields && this.#kind === kind ? this.#checked : undefined;
  }

  set(fields: Http2Fields, kind: number, checked: Checked<Head>): Checked<Head> {
    this.#fields = fields;
    this.#kind = kind;
    this.#checked = checked;
    return checked;
  }
}
