import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { clientOfPod, type ResourceClient } from "../decisions/decide-resource.ts";
import type { Evaluation, Evaluations, FollowedEvaluation, MeshView } from "../decisions/evaluations.ts";
import { findPodFault } from "./admit-caller.ts";

export interface PodWatchOptions {
  readonly evaluations: Evaluations;
  /** The key of the pod. */
  readonly pod: string;
  readonly identity: SpiffeId;
  /** The pod is known now, is gone (`undefined`), or has other labels. */
  readonly onChange: (client: ResourceClient | undefined) => void;
  /** The pod has another identity than the caller. */
  readonly onDenied: (error: Error) => void;
}

/** Follows the pod that a stream is for. */
export class PodWatch implements Evaluation {
  readonly #options: PodWatchOptions;
  readonly #evaluation: FollowedEvaluation;
  #client: ResourceClient | undefined;

  constructor(options: PodWatchOptions) {
    this.#options = options;
    this.#evaluation = options.evaluations.follow(this);
  }

  /** Applies what has changed until now: a pod with another identity must not receive another byte. */
  ensureCurrent(): void {
    this.#evaluation.ensureCurrent();
  }

  stop(): void {
    this.#evaluation.stop();
  }

  evaluate({ set }: MeshView): void {
    const { pod: key, identity, onChange, onDenied } = this.#options;
    const pod = set.pods.get(key);
    const fault = pod === undefined ? undefined : findPodFault(pod, identity);
    if (fault !== undefined) {
      onDenied(fault);
      return;
    }
    const client = pod === undefined ? undefined : clientOfPod(pod);
    if (client?.key === this.#client?.key) return;
    this.#client = client;
    onChange(client);
  }
}
