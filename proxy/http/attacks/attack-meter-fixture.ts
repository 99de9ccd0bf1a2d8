/** For tests: whether others are served during an attack, and what it leaves behind. */
import { expect } from "vitest";
import type { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialHttp2, type RawHttp2Client, requestOf } from "../raw-http2-client-fixture.ts";
import type { AttackedSide } from "./attack-doors-fixture.ts";

/** An honest client of the same sidecar, on a connection of its own. */
export class Bystander {
  readonly client: RawHttp2Client;
  #nextId = 1;

  constructor(client: RawHttp2Client) {
    this.client = client;
  }

  /** Makes a request, and checks that the response is its own. */
  async expectServed(): Promise<void> {
    const path = `/bystander-${this.#nextId}`;
    const response = await this.client.ask(this.#nextId, requestOf(path));
    this.#nextId += 2;
    expect(response.statuses).toEqual(["200"]);
    expect(response.content).toContain(path);
  }
}

export async function dialBystander(cleanup: Cleanup, port: number): Promise<Bystander> {
  return new Bystander(await dialHttp2(cleanup, port));
}

/** Once all clients have left, the sidecars must hold no connection and watch none. They serve no one afterwards. */
export async function expectNothingLeft(sides: readonly AttackedSide[]): Promise<void> {
  for (const { http } of sides) http.closing.abort();
  await expectReleased(sides);
}

/** The same where the connections of clients and applications have ended: what the sidecars hold ends without a time limit. */
export async function expectReleased(sides: readonly AttackedSide[]): Promise<void> {
  const left = () => sides.map(({ registry, http }) => [registry.size, http.context.deadlines.size]);
  await expect.poll(left, { interval: 10 }).toEqual(sides.map(() => [0, 0]));
}
