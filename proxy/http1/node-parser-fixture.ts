/** For tests: the output of Node's own parser. */
import { createRequire } from "node:module";

export interface ParsedByNode {
  readonly url: string | undefined;
  readonly status: number;
  readonly fields: number;
  content: number;
  isWhole: boolean;
}

interface NodeParser {
  initialize(type: number, resource: object, maxHeadBytes: number, leniency: number): void;
  execute(bytes: Buffer): unknown;
  finish(): unknown;
  [callback: number]: (...args: never[]) => unknown;
}

interface NodeParserClass {
  new (): NodeParser;
  readonly REQUEST: number;
  readonly RESPONSE: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}

/** Node's parser has no public API; this is the one that `node:http` uses. For tests only. */
const { HTTPParser }: { readonly HTTPParser: NodeParserClass } = createRequire(import.meta.url)("_http_common");

/** The messages that Node's parser finds, complete or not. @param skipsBody for the response to a HEAD request. */
export function parseWithNode(
  bytes: Buffer,
  type: "request" | "response",
  options: { readonly skipsBody?: boolean; readonly ends?: boolean } = {},
): readonly ParsedByNode[] {
  const parser = new HTTPParser();
  parser.initialize(type === "request" ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {}, 0, 0);
  const messages: ParsedByNode[] = [];
  // A head with many fields arrives in several calls.
  let early: { fields: number; url: string | undefined } = { fields: 0, url: undefined };
  parser[HTTPParser.kOnHeaders] = (fields: readonly string[], url: string) => {
    early = { fields: early.fields + fields.length / 2, url: url === "" ? early.url : url };
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    fields: readonly string[] | undefined,
    _method: number,
    url: string | undefined,
    status: number,
  ) => {
    const count = fields === undefined ? early.fields : fields.length / 2;
    messages.push({ url: url ?? early.url, status, fields: count, content: 0, isWhole: false });
    early = { fields: 0, url: undefined };
    return options.skipsBody === true ? 1 : 0;
  };
  parser[HTTPParser.kOnBody] = (chunk: Buffer) => {
    const message = messages.at(-1);
    if (message !== undefined) message.content += chunk.length;
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    early = { fields: 0, url: undefined };
    const message = messages.at(-1);
    if (message !== undefined) message.isWhole = true;
  };
  parser.execute(bytes);
  if (options.ends === true) parser.finish();
  return messages;
}
