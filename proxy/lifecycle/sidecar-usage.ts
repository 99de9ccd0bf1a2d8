import type { Socket } from "node:net";
import type { ConnectionRegistry } from "../connections/connection-registry.ts";
import type { Usage } from "./decide-phase.ts";
import { doOthersListen } from "./listening-ports.ts";

export interface SidecarUsageOptions {
  readonly registry: Pick<ConnectionRegistry, "list">;
  /** @default by the kernel's table: a process of another user listens in this pod */
  readonly applicationListens?: () => boolean;
}

/** Counts what still needs a sidecar. */
export class SidecarUsage {
  readonly #registry: Pick<ConnectionRegistry, "list">;
  readonly #applicationListens: () => boolean;
  /** Idle ones count: an application that still runs keeps its connections. */
  readonly #ofApplication = new Set<Socket>();
  #hasServed = false;

  constructor({ registry, applicationListens = defaultApplicationListens }: SidecarUsageOptions) {
    this.#registry = registry;
    this.#applicationListens = applicationListens;
  }

  /** A client of this pod, or its application, has connected. */
  note(direction: "inbound" | "outbound", socket: Socket): void {
    if (direction === "inbound") {
      this.#hasServed = true;
      return;
    }
    this.#ofApplication.add(socket);
    socket.once("close", () => this.#ofApplication.delete(socket));
  }

  /** A client that has never sent anything needs nothing. */
  read(): Usage {
    const inbound = this.#registry.list().filter(({ direction, stage }) => direction === "inbound" && stage === "open");
    return {
      inbound: inbound.length,
      outbound: this.#ofApplication.size,
      applicationListens: this.#applicationListens(),
      hasServed: this.#hasServed,
    };
  }
}

function defaultApplicationListens(): boolean {
  return doOthersListen(process.getuid?.() ?? 0);
}
