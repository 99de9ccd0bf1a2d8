/** How much the latest request counts in a mean: about the last 32 decide. */
const WEIGHT = 1 / 32;

/** What one endpoint's traffic is like: moving means over its latest requests. Cheap enough to note every one. */
export class EndpointTraffic {
  #parallel = 0;
  #responseBytes = 0;

  /**
   * How many requests were in progress when another one began. A mean, because one read of many sockets begins and ends
   * many requests at once: the number itself swings between none and all.
   */
  get parallel(): number {
    return this.#parallel;
  }

  /** Of one response. */
  get responseBytes(): number {
    return this.#responseBytes;
  }

  /** @param active the others in progress. */
  noteRequest(active: number): void {
    this.#parallel += (active - this.#parallel) * WEIGHT;
  }

  /** A response is complete. */
  noteResponse(bytes: number): void {
    this.#responseBytes += (bytes - this.#responseBytes) * WEIGHT;
  }
}
