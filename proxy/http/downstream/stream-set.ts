/** A member's place in its set; -1: it is in none. */
export interface StreamSetMember {
  place: number;
}

/**
 * The streams of a connection that are in progress, in no order. Not a Set: one that changes with each request makes V8
 * keep its earlier tables, with the streams in them, until the next full collection.
 */
export class StreamSet<Member extends StreamSetMember> {
  readonly #members: Member[] = [];

  get size(): number {
    return this.#members.length;
  }

  add(member: Member): void {
    if (member.place >= 0) return;
    member.place = this.#members.push(member) - 1;
  }

  /** The last member takes its place. */
  delete(member: Member): void {
    const last = this.#members.at(-1);
    if (member.place < 0 || last === undefined) return;
    this.#members[member.place] = last;
    last.place = member.place;
    this.#members.pop();
    member.place = -1;
  }

  /** The members of this moment: the set may change meanwhile. */
  values(): readonly Member[] {
    return [...this.#members];
  }
}
