import type { Http1RequestHead } from "../../http1/message-head.ts";
import type { RequestHead } from "../../messages/message-head.ts";

/**
 * The head that Node's parser reads instead of the client's. It only contains the body's framing and the connection's
 * persistence. Method, target and fields come from the framer, so Node's list of methods and its limits do not matter,
 * and no byte that a client chose is parsed a second time. Only HEAD is kept, because Node omits the content of its
 * response.
 */
export function formatParserHead(head: Http1RequestHead): string {
  const method = head.method === "HEAD" ? "HEAD" : "POST";
  return `${method} / HTTP/${head.version}\r\n${framingLine(head)}${connectionLines(head)}\r\n`;
}

/** Whether the connection may become a tunnel. */
export function asksForSwitch({ upgrade, content }: RequestHead): boolean {
  return upgrade !== undefined && content.kind === "none";
}

function framingLine({ content }: RequestHead): string {
  switch (content.kind) {
    case "length":
      return `content-length: ${content.length}\r\n`;
    case "unknown":
      return "transfer-encoding: chunked\r\n";
    case "none":
      return "";
  }
}

function connectionLines(head: Http1RequestHead): string {
  if (asksForSwitch(head)) return "connection: upgrade\r\nupgrade: websocket\r\n";
  const connection = `connection: ${head.keepAlive ? "keep-alive" : "close"}\r\n`;
  return head.expectsContinue ? `${connection}expect: 100-continue\r\n` : connection;
}
