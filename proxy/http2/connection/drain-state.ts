/** How far our side has announced the end of the connection (RFC 9113 §6.8). */
type Announced =
  | { readonly kind: "open" }
  /** The first GOAWAY, with 2^31-1, is sent: streams are still accepted for a round trip. */
  | { readonly kind: "warned"; readonly sinceMs: number }
  /** The GOAWAY with the true last stream is sent. */
  | { readonly kind: "final"; readonly lastId: number }
  /** Failed or closed: nothing more is read. */
  | { readonly kind: "over" };

const OPEN: Announced = { kind: "open" };
const OVER: Announced = { kind: "over" };

/** The end of a connection in two steps, announced by either side. */
export class DrainState {
  #announced = OPEN;
  #hasPeerGoaway = false;
  #isReported = false;

  get isOver(): boolean {
    return this.#announced.kind === "over";
  }

  /** Whether requests may still be opened. */
  get isOpen(): boolean {
    return this.#announced.kind === "open" && !this.#hasPeerGoaway;
  }

  /** The last stream that our final GOAWAY allowed; `undefined`: none was sent. */
  get finalId(): number | undefined {
    return this.#announced.kind === "final" ? this.#announced.lastId : undefined;
  }

  get isUnannounced(): boolean {
    return this.#announced.kind === "open";
  }

  get isWarned(): boolean {
    return this.#announced.kind === "warned";
  }

  warn(nowMs: number): void {
    this.#announced = { kind: "warned", sinceMs: nowMs };
  }

  /** Whether the time between the two GOAWAYs is over. */
  isGraceOver(nowMs: number, graceMs: number): boolean {
    return this.#announced.kind === "warned" && nowMs - this.#announced.sinceMs >= graceMs;
  }

  finish(lastId: number): void {
    this.#announced = { kind: "final", lastId };
  }

  notePeerGoaway(): void {
    this.#hasPeerGoaway = true;
  }

  end(): void {
    this.#announced = OVER;
  }

  /** Whether the end of the last stream is the end of the connection; true only once. */
  reportDrained(): boolean {
    const isLast = this.#announced.kind === "final" || (this.#hasPeerGoaway && !this.isOver);
    if (!isLast || this.#isReported) return false;
    this.#isReported = true;
    return true;
  }
}
