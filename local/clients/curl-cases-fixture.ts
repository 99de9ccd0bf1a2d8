/** For tests: curl's forms of HTTP/1.1 requests, and the expected result of each. */
import type { Echo } from "./http-app-fixture.ts";

export interface CurlCase {
  readonly name: string;
  /** The first part of the path: how the application responds. */
  readonly response: "whole" | "large" | "chunked" | "until-close" | "closing";
  readonly args: readonly string[];
  readonly method: Echo["method"];
  /** Whether the application received the content of curl's input. */
  readonly hasContent: boolean;
  /** The expected text in curl's trace of the response heads. */
  readonly trace?: RegExp;
  /** Further headers that the application must receive. */
  readonly headers?: Readonly<Record<string, string>>;
}

const CHUNKED = { "transfer-encoding": "chunked" };
const get = (name: string, response: CurlCase["response"], args: readonly string[] = []) =>
  ({ name, response, args, method: "GET", hasContent: false }) as const;
const send = (name: string, method: string, args: readonly string[]) =>
  ({ name, response: "whole", args, method, hasContent: true }) as const;

/** The content comes from curl's standard input. */
export const CURL_CASES: readonly CurlCase[] = [
  get("GET", "whole"),
  get("GET, with a response of 1 MB", "large"),
  { ...get("GET, with a chunked response", "chunked"), trace: /^< transfer-encoding: chunked/im },
  // This closes the connection between the application and its sidecar; the client's connection stays open.
  { ...get("GET, with a response with Connection: close", "closing"), trace: /^\* Connection #0 .* left intact/m },
  get("GET, with a response that ends with the connection", "until-close"),
  { ...get("GET in HTTP/1.0", "whole", ["--http1.0"]), trace: /^< HTTP\/1\.[01] 200 /m },
  get("GET in HTTP/1.0, with a chunked response", "chunked", ["--http1.0"]),
  { ...get("HEAD", "whole", ["--head"]), method: "HEAD" },
  get("GET that offers HTTP/2", "whole", ["--http2"]),
  send("POST of 200 KB", "POST", ["--data-binary", "@-"]),
  send("POST in HTTP/1.0", "POST", ["--http1.0", "--data-binary", "@-"]),
  {
    ...send("POST of 200 KB with Expect: 100-continue", "POST", [
      ...["--header", "Expect: 100-continue", "--expect100-timeout", "8"],
      ...["--data-binary", "@-"],
    ]),
    trace: /^< HTTP\/1\.1 100 Continue/m,
    headers: { expect: "100-continue" },
  },
  {
    ...send("POST in chunks", "POST", ["--header", "Transfer-Encoding: chunked", "--data-binary", "@-"]),
    headers: CHUNKED,
  },
  { ...send("PUT without a length", "PUT", ["--upload-file", "-"]), headers: CHUNKED },
];
