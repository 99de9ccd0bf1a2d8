import type { RequestOptions } from "node:https";

/** How `ClientRequest` passes itself to its agent: Node looks it up by name, and its types lack it. */
declare module "node:http" {
  interface Agent {
    readonly protocol: string;
    readonly defaultPort: number;
    addRequest(request: ClientRequest, options: RequestOptions): void;
  }

  interface ClientRequest {
    agent: Agent;
    /** Used by Node's parser for the response; the types only have it as an option of the request. */
    maxHeaderSize: number;
  }
}
