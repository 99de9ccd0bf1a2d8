import { isDeepStrictEqual } from "node:util";
import type { Container } from "../pod.ts";

type Lifecycle = NonNullable<Container["lifecycle"]>;

/** The kubelet starts the next container when this has ended: when the proxy is ready. */
const WAIT_UNTIL_READY = { exec: { command: ["entente", "proxy", "wait"] } };
/** Runs when the pod's termination begins, while the application still runs. */
const BEGIN_DRAINING = { exec: { command: ["entente", "proxy", "drain"] } };

export interface ProxyHooks {
  /** Whether the application's containers start only when the proxy is ready. */
  readonly holdsApplication: boolean;
  /**
   * A restartable init container gets SIGTERM only after the application's containers have ended. Its hook tells it
   * earlier that the pod is ending.
   */
  readonly isNative: boolean;
  /** Without a startup probe, the kubelet takes a restartable init container as started when its hook has ended. */
  readonly hasProbes: boolean;
}

/** The lifecycle of the proxy's container: our hooks, then those that the pod declares for it. */
export function proxyLifecycle(
  existing: Container | undefined,
  { holdsApplication, isNative, hasProbes }: ProxyHooks,
): Lifecycle | undefined {
  const { postStart, preStop, ...others } = existing?.lifecycle ?? {};
  const kept = {
    ...others,
    ...(isForeign(postStart) && { postStart }),
    ...(isForeign(preStop) && { preStop }),
  };
  const lifecycle = {
    ...kept,
    ...((isNative ? !hasProbes : holdsApplication) && { postStart: WAIT_UNTIL_READY }),
    ...(isNative && { preStop: BEGIN_DRAINING }),
  };
  return Object.keys(lifecycle).length === 0 ? undefined : lifecycle;
}

/** Whether a hook is exactly one that injection adds, so that it is no addition by the pod. */
export function isOwnHook(hook: unknown): boolean {
  return isDeepStrictEqual(hook, WAIT_UNTIL_READY) || isDeepStrictEqual(hook, BEGIN_DRAINING);
}

function isForeign(hook: unknown): boolean {
  return hook !== undefined && hook !== null && !isOwnHook(hook);
}
