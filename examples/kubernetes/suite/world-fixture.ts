/** For the suite: the workloads that most of its files need. */
import { echoApplication, peerAuthentication } from "./applications-fixture.ts";
import { type ClientPod, createClient } from "./client-pod-fixture.ts";
import { apply, awaitRollout, createNamespace, INJECTED } from "./kubectl-fixture.ts";

/** A pod that sends requests, in a namespace of its own. */
export interface ClientNamespace {
  readonly namespace: string;
  readonly client: ClientPod;
  /** Deletes the namespace, and waits until it is gone. */
  remove(): Promise<void>;
}

/** A client of the mesh with the application `world`, which responds with its name. */
export interface World extends ClientNamespace {
  /** Of the Service. */
  readonly url: string;
}

export interface WorldOptions {
  /** @default no PeerAuthentication, which is PERMISSIVE */
  readonly mode?: "STRICT";
  /** Of world. @default 1 */
  readonly replicas?: number;
}

/** Creates a namespace of the mesh with world and a client. @param purpose part of the namespace's name */
export async function createWorld(purpose: string, { mode, replicas = 1 }: WorldOptions = {}): Promise<World> {
  const { name, remove } = await createNamespace(purpose, INJECTED);
  await apply([
    ...echoApplication(name, "world", { text: "world", replicas }),
    ...(mode === undefined ? [] : [peerAuthentication(name, mode)]),
  ]);
  const client = await createClient(name, "client");
  await awaitRollout(name, "world");
  return { namespace: name, client, url: `http://world.${name}:8080/`, remove };
}

/** Creates a namespace outside of the mesh with a client. */
export async function createOutsider(): Promise<ClientNamespace> {
  const { name, remove } = await createNamespace("outside");
  return { namespace: name, client: await createClient(name, "client"), remove };
}

/** What world responds. */
export const WORLD_REPLY = { status: 200, body: "world" } as const;
