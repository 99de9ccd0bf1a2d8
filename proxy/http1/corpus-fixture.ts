/** Raw requests that some parser reads differently, each with the verdict of a strict parser. */
import type { Http1FaultCode } from "./framer-events.ts";

export interface CorpusRequest {
  readonly name: string;
  readonly bytes: string;
  /** How many requests are complete, and the fault that ends the connection, if any. */
  readonly requests: number;
  readonly fault?: Http1FaultCode;
}

const HOST = "Host: a\r\n";
const HIDDEN = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

export function post(fields: string, body: string): string {
  return `POST /p HTTP/1.1\r\n${HOST}${fields}\r\n${body}`;
}

export function get(fields: string): string {
  return `GET /g HTTP/1.1\r\n${HOST}${fields}\r\n`;
}

export const CHUNKED = "Transfer-Encoding: chunked\r\n";

function refused(name: string, fault: Http1FaultCode, bytes: string): CorpusRequest {
  return { name, bytes, requests: 0, fault };
}

/** What must be refused. Most are followed by a second request that a parser with other rules would find. */
export const SMUGGLING_REQUESTS: readonly CorpusRequest[] = [
  refused("CL.TE", "ambiguous_framing", post(`Content-Length: 6\r\n${CHUNKED}`, `0\r\n\r\nG${HIDDEN}`)),
  refused("TE.CL", "ambiguous_framing", post(`${CHUNKED}Content-Length: 4\r\n`, `1e\r\n${HIDDEN}\r\n0\r\n\r\n`)),
  refused(
    "TE in upper case beside CL",
    "ambiguous_framing",
    post("TRANSFER-ENCODING: CHUNKED\r\nContent-Length: 0\r\n", HIDDEN),
  ),
  refused("TE identity", "bad_transfer_encoding", post("Transfer-Encoding: identity\r\n", HIDDEN)),
  refused("TE xchunked", "bad_transfer_encoding", post("Transfer-Encoding: xchunked\r\n", `0\r\n\r\n${HIDDEN}`)),
  refused("TE gzip, chunked", "bad_transfer_encoding", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")),
  refused(
    "TE chunked, identity",
    "bad_transfer_encoding",
    post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
  ),
  refused(
    "TE chunked twice in a list",
    "bad_transfer_encoding",
    post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
  ),
  refused("TE chunked in two fields", "bad_transfer_encoding", post(`${CHUNKED}${CHUNKED}`, "0\r\n\r\n")),
  refused(
    "TE chunked and an empty one",
    "bad_transfer_encoding",
    post(`${CHUNKED}Transfer-Encoding:\r\n`, "0\r\n\r\n"),
  ),
  refused("TE with a vertical tab", "bad_field_value", post("Transfer-Encoding: \vchunked\r\n", `0\r\n\r\n${HIDDEN}`)),
  refused("TE quoted", "bad_transfer_encoding", post('Transfer-Encoding: "chunked"\r\n', `0\r\n\r\n${HIDDEN}`)),
  refused(
    "TE with a parameter",
    "bad_transfer_encoding",
    post("Transfer-Encoding: chunked;x=y\r\n", `0\r\n\r\n${HIDDEN}`),
  ),
  refused(
    "TE with a space before the colon",
    "bad_field_name",
    post("Transfer-Encoding : chunked\r\n", `0\r\n\r\n${HIDDEN}`),
  ),
  refused("TE with an underscore", "bad_field_name", post("Transfer_Encoding: chunked\r\n", `0\r\n\r\n${HIDDEN}`)),
  refused("TE on a folded line", "bad_field_line", post("X: y\r\n Transfer-Encoding: chunked\r\n", HIDDEN)),
  refused("TE value on a folded line", "bad_field_line", post("Transfer-Encoding:\r\n chunked\r\n", HIDDEN)),
  refused("TE in HTTP/1.0", "bad_transfer_encoding", `POST / HTTP/1.0\r\n${HOST}${CHUNKED}\r\n0\r\n\r\n${HIDDEN}`),
  refused("TE after a bare LF", "bad_line_end", post("X: y\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${HIDDEN}`)),
  refused("TE after a bare CR", "bad_line_end", post("X: y\rTransfer-Encoding: chunked\r\n", `0\r\n\r\n${HIDDEN}`)),
  refused("TE after a NUL", "bad_field_value", post("X: y\0Transfer-Encoding: chunked\r\n", HIDDEN)),
  refused("two CL that differ", "bad_content_length", post("Content-Length: 0\r\nContent-Length: 30\r\n", HIDDEN)),
  refused("two CL that agree", "bad_content_length", post("Content-Length: 1\r\nContent-Length: 1\r\n", "x")),
  refused("CL as a list", "bad_content_length", post("Content-Length: 1, 1\r\n", "x")),
  refused("CL with a plus", "bad_content_length", post("Content-Length: +1\r\n", "x")),
  refused("CL with a minus", "bad_content_length", post("Content-Length: -1\r\n", "x")),
  refused("CL in hex", "bad_content_length", post("Content-Length: 0x1\r\n", "x")),
  refused("CL with a point", "bad_content_length", post("Content-Length: 1.0\r\n", "x")),
  refused("CL empty", "bad_content_length", post("Content-Length:\r\n", HIDDEN)),
  refused("CL too large for a number", "bad_content_length", post("Content-Length: 99999999999999999999\r\n", "x")),
  refused("CL with a blank inside", "bad_content_length", post("Content-Length: 1 1\r\n", "x")),
  refused("CL with an underscore", "bad_field_name", post("Content_Length: 40\r\n", HIDDEN)),
  refused("CL with a space before the colon", "bad_field_name", post("Content-Length : 40\r\n", HIDDEN)),
  refused("CL after a tab", "bad_field_line", post("\tContent-Length: 40\r\n", HIDDEN)),
  refused("chunk size in 0x", "bad_chunk", post(CHUNKED, "0x1\r\na\r\n0\r\n\r\n")),
  refused("chunk size with a minus", "bad_chunk", post(CHUNKED, "-1\r\na\r\n0\r\n\r\n")),
  refused("chunk size followed by a blank", "bad_chunk", post(CHUNKED, "1 \r\na\r\n0\r\n\r\n")),
  refused("chunk size that overflows", "bad_chunk", post(CHUNKED, "ffffffffffffffff1\r\na\r\n0\r\n\r\n")),
  refused("chunk size empty", "bad_chunk", post(CHUNKED, "\r\na\r\n0\r\n\r\n")),
  refused("chunk size that ends with LF", "bad_chunk", post(CHUNKED, `1\na\r\n0\r\n\r\n${HIDDEN}`)),
  refused("chunk extension that ends with LF", "bad_chunk", post(CHUNKED, `1;x\na\r\n0\r\n\r\n${HIDDEN}`)),
  refused("chunk extension with a bare CR", "bad_chunk", post(CHUNKED, "1;x\ry\r\na\r\n0\r\n\r\n")),
  refused(
    "chunk extension in quotes with a bare LF",
    "bad_chunk",
    post(CHUNKED, `1;x="\n"\r\na\r\n0\r\n\r\n${HIDDEN}`),
  ),
  refused(
    "chunk extension in quotes with a bare CR",
    "bad_chunk",
    post(CHUNKED, `1;x="\r"\r\na\r\n0\r\n\r\n${HIDDEN}`),
  ),
  refused("chunk extension whose quotes do not end", "bad_chunk", post(CHUNKED, `1;x="\r\na\r\n0\r\n\r\n${HIDDEN}`)),
  refused("chunk extension whose quotes end escaped", "bad_chunk", post(CHUNKED, `1;x="\\"\r\na\r\n0\r\n\r\n`)),
  refused("chunk extension after quotes", "bad_chunk", post(CHUNKED, '1;x="y"z\r\na\r\n0\r\n\r\n')),
  refused("chunk extension without a name", "bad_chunk", post(CHUNKED, "1;\r\na\r\n0\r\n\r\n")),
  refused("chunk extension padded at its end", "bad_chunk", post(CHUNKED, "1;x \r\na\r\n0\r\n\r\n")),
  refused("chunk longer than its size", "bad_chunk", post(CHUNKED, `1\r\nab\r\n0\r\n\r\n${HIDDEN}`)),
  refused("chunk without its CRLF", "bad_chunk", post(CHUNKED, `1\r\na0\r\n\r\n${HIDDEN}`)),
  refused("chunk that ends with LF", "bad_chunk", post(CHUNKED, `1\r\na\n0\r\n\r\n${HIDDEN}`)),
  refused("CL in the trailer", "bad_trailer", post(CHUNKED, `0\r\nContent-Length: 5\r\n\r\n${HIDDEN}`)),
  refused("TE in the trailer", "bad_trailer", post(CHUNKED, `0\r\nTransfer-Encoding: chunked\r\n\r\n${HIDDEN}`)),
  refused("identity in the trailer", "bad_trailer", post(CHUNKED, "0\r\nX-Forwarded-Client-Cert: By=a\r\n\r\n")),
  refused(
    "identity with underscores in the trailer",
    "bad_trailer",
    post(CHUNKED, "0\r\nx_forwarded_client_cert: By=a\r\n\r\n"),
  ),
  refused("a trailer line that ends with LF", "bad_trailer", post(CHUNKED, `0\r\nX: y\n\r\n${HIDDEN}`)),
  refused("identity with underscores", "bad_field_name", get("X_Forwarded_Client_Cert: By=a\r\n")),
  refused("identity with dots", "bad_field_name", get("X.Forwarded.Client.Cert: By=a\r\n")),
  refused(
    "Connection names Content-Length",
    "bad_field_value",
    post("Connection: content-length\r\nContent-Length: 3\r\n", "abc"),
  ),
  refused(
    "Connection names Transfer-Encoding",
    "bad_field_value",
    post(`Connection: Transfer-Encoding\r\n${CHUNKED}`, "0\r\n\r\n"),
  ),
  refused("Connection names Host", "bad_field_value", get("Connection: close, host\r\n")),
  refused("Connection names the identity", "bad_field_value", get("Connection: x-forwarded-client-cert\r\n")),
  refused("two Host fields", "bad_host", get("Host: a\r\n")),
  refused("no Host field", "bad_host", "GET / HTTP/1.1\r\n\r\n"),
  refused("a Host with a path", "bad_host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
  refused("a Host with credentials", "bad_host", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
  refused("a Host with an escaped slash", "bad_host", "GET / HTTP/1.1\r\nHost: a%2Fb\r\n\r\n"),
  refused("a Host with an escaped at sign", "bad_host", "GET / HTTP/1.1\r\nHost: u%40a\r\n\r\n"),
  refused("a Host with an escaped colon", "bad_host", "GET / HTTP/1.1\r\nHost: a%3A80\r\n\r\n"),
  refused("a Host with an escaped line end", "bad_host", "GET / HTTP/1.1\r\nHost: a%0d%0ax:y\r\n\r\n"),
  refused("a Host with half an escape", "bad_host", "GET / HTTP/1.1\r\nHost: a%4\r\n\r\n"),
  refused("a Host that is a port alone", "bad_host", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
  refused("a Host with two ports", "bad_host", "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"),
  refused("an invalid Host with an absolute target", "bad_host", "GET http://a/ HTTP/1.1\r\nHost: a/b\r\n\r\n"),
  refused(
    "two Host fields with an absolute target",
    "bad_host",
    "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  ),
  refused("a target without Host", "bad_host", "GET http://a/ HTTP/1.1\r\n\r\n"),
  refused("a target whose authority is empty", "bad_target", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("a Host as a list", "bad_host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
  refused("a target with credentials", "bad_target", "GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("a target of another scheme", "bad_target", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("a target without a slash", "bad_target", "GET index HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("a target with a fragment", "bad_target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("a target beyond ASCII", "bad_target", "GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("a target with a tab", "bad_target", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("* with GET", "bad_target", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("CONNECT", "connect_refused", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
  refused("two blanks in the request line", "bad_start_line", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("a tab in the request line", "bad_method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("a blank after the version", "bad_start_line", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
  refused("HTTP/0.9", "bad_target", "GET /\r\nHost: a\r\n\r\n"),
  refused("HTTP/1.2", "bad_version", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
  refused("HTTP/2.0", "bad_version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
  refused("http/1.1 in lower case", "bad_start_line", "GET / http/1.1\r\nHost: a\r\n\r\n"),
  refused("PRI", "bad_method", "PRI / HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("HEAD in lower case", "bad_method", "head / HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("DELETE in lower case", "bad_method", "delete / HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("GET in mixed case", "bad_method", "Get / HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("CONNECT in lower case", "bad_method", "connect / HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("a method without an end", "bad_method", `${"A".repeat(40)} / HTTP/1.1\r\nHost: a\r\n\r\n`),
  refused(
    "too many empty lines before the request",
    "bad_start_line",
    `${"\r\n".repeat(17)}GET / HTTP/1.1\r\nHost: a\r\n\r\n`,
  ),
  refused("empty lines that end with LF before the request", "bad_start_line", "\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("a blank before the request", "bad_start_line", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
  refused("a request line that ends with LF", "bad_start_line", `GET / HTTP/1.1\n${HOST}\r\n`),
  refused("a head that ends with LFs", "bad_start_line", "GET / HTTP/1.1\nHost: a\n\n"),
  refused("a first field after a blank", "bad_field_line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
  refused("a field without a name", "bad_field_name", get(": x\r\n")),
  refused("a field without a colon", "bad_field_line", get("X\r\n")),
  refused("a field name with a bracket", "bad_field_name", get("X[1]: y\r\n")),
  refused("a field name beyond ASCII", "bad_field_name", get("X\xe9: y\r\n")),
  refused(
    "an upgrade that is not a list of protocols",
    "bad_upgrade",
    get("Connection: upgrade\r\nUpgrade: web socket\r\n"),
  ),
];

/** What must be accepted, with the number of complete requests. */
export const SOUND_REQUESTS: readonly CorpusRequest[] = [
  { name: "a plain GET", bytes: get(""), requests: 1 },
  { name: "one empty line before the request", bytes: `\r\n${get("")}`, requests: 1 },
  { name: "three in a row", bytes: get("") + post("Content-Length: 3\r\n", "abc") + get(""), requests: 3 },
  { name: "a GET with a body", bytes: `GET / HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nhi${get("")}`, requests: 2 },
  {
    name: "chunks with extensions and a trailer",
    bytes: post(CHUNKED, "3;a;b=c\r\nabc\r\n0\r\nX-T: v\r\n\r\n"),
    requests: 1,
  },
  {
    name: "chunk sizes with zeros before and in capitals",
    bytes: post(CHUNKED, "00A\r\n0123456789\r\n0\r\n\r\n"),
    requests: 1,
  },
  { name: "Chunked in another case", bytes: post("Transfer-Encoding: Chunked\r\n", "0\r\n\r\n"), requests: 1 },
  { name: "CL with zeros before", bytes: post("Content-Length: 003\r\n", "abc"), requests: 1 },
  { name: "a target in absolute form", bytes: "GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n", requests: 1 },
  { name: "OPTIONS *", bytes: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", requests: 1 },
  { name: "HTTP/1.0 without Host", bytes: "GET / HTTP/1.0\r\n\r\n", requests: 1 },
  {
    name: "nothing after the last request",
    bytes: `GET / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n${HIDDEN}`,
    requests: 1,
  },
  { name: "Proxy-Connection: close", bytes: get("Proxy-Connection: close\r\n") + HIDDEN, requests: 1 },
  { name: "blanks around a value", bytes: get("X:  \t a b \t\r\n"), requests: 1 },
  { name: "bytes above ASCII in a value", bytes: get("X: \xe9\xff\r\n"), requests: 1 },
  { name: "an IPv6 host", bytes: "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", requests: 1 },
  {
    name: "h2c is not forwarded",
    bytes: get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"),
    requests: 1,
  },
];
