import type { Random } from "../../../mesh/runtime.ts";
import { formatSocketAddress } from "../../../net/socket-address.ts";
import type { Deadlines } from "../deadlines.ts";
import {
  chooseEndpoint,
  createEndpointState,
  type EndpointState,
  type PoolEndpoint,
  penaltyMs,
} from "./endpoint-state.ts";

export interface PoolEndpointsOptions {
  /** The current endpoints. The same array as long as nothing has changed. */
  readonly endpoints: () => readonly PoolEndpoint[];
  readonly deadlines: Deadlines;
  readonly random: Random;
}

/** The endpoints of a pool, by address. A removed one is kept until its last request has ended. */
export class PoolEndpoints {
  readonly #options: PoolEndpointsOptions;
  readonly #byKey = new Map<string, EndpointState>();
  #addresses: readonly PoolEndpoint[] | undefined;
  #endpoints: readonly EndpointState[] = [];

  constructor(options: PoolEndpointsOptions) {
    this.#options = options;
  }

  /** Requests in progress and dials. */
  get active(): number {
    let active = 0;
    for (const endpoint of this.#byKey.values()) active += endpoint.active;
    return active;
  }

  hasExcept(tried: ReadonlySet<string>): boolean {
    return this.#current().some(({ key }) => !tried.has(key));
  }

  choose(tried: ReadonlySet<string> | undefined): EndpointState | undefined {
    const { deadlines, random } = this.#options;
    return chooseEndpoint(this.#current(), { nowMs: deadlines.nowMs, random, tried });
  }

  /** Prefers other endpoints for a while. */
  avoid(endpoint: EndpointState): void {
    endpoint.failures += 1;
    endpoint.avoidedUntilMs = this.#options.deadlines.nowMs + penaltyMs(endpoint.failures);
  }

  stateOf(address: PoolEndpoint): EndpointState {
    const key = formatSocketAddress({ ip: address.ip, port: address.port });
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const state = createEndpointState(address);
    this.#byKey.set(key, state);
    return state;
  }

  forgetIfUnused(endpoint: EndpointState): void {
    if (endpoint.active > 0 || endpoint.available.length > 0 || !endpoint.isRemoved) return;
    if ((endpoint.shared?.size ?? 0) === 0) this.#byKey.delete(endpoint.key);
  }

  /** The states of the current endpoints; connections of removed ones take no more requests. */
  #current(): readonly EndpointState[] {
    const addresses = this.#options.endpoints();
    if (addresses === this.#addresses) return this.#endpoints;
    this.#addresses = addresses;
    const endpoints = addresses.map((address) => {
      const state = this.stateOf(address);
      state.mutualTls = address.mutualTls;
      return state;
    });
    const keys = new Set(endpoints.map(({ key }) => key));
    for (const [key, state] of this.#byKey) {
      state.isRemoved = !keys.has(key);
      if (!state.isRemoved) continue;
      for (const connection of [...state.available]) connection.retire();
      state.shared?.retire();
      if (state.active === 0) this.#byKey.delete(key);
    }
    this.#endpoints = endpoints;
    return endpoints;
  }
}
