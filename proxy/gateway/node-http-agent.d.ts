import type { RequestOptions } from "node:https";

/** The way in which `ClientRequest` hands itself to its agent: Node checks for it by name, and its types lack it. */
declare module "node:http" {
  interface Agent {
    readonly protocol: string;
    readonly defaultPort: number;
    addRequest(request: ClientRequest, options: RequestOptions): void;
  }

  interface ClientRequest {
    agent: Agent;
    /** Node's parser for the response is made with it; its types have it as an option of the request alone. */
    maxHeaderSize: number;
  }
}
