/**
 * For tests: the time by which OpenSSL judges certificates, in this process. OpenSSL asks the operating system, whatever clock
 * is injected into our own code; so a test in which a day passes needs this too.
 */
import koffi from "koffi";

const USE_CHECK_TIME = 2;

/** Certificates are judged as of this time, until another call. @param atMs epoch milliseconds; undefined: as of now */
export function setOpensslTime(atMs: number | undefined): void {
  overriding ??= overrideDefault();
  if (atMs === undefined) overriding.clearFlags(overriding.parameters, USE_CHECK_TIME);
  else overriding.setTime(overriding.parameters, Math.floor(atMs / 1000));
}

let overriding: ReturnType<typeof overrideDefault> | undefined;

/** Each verification starts from the parameters named `default`, and OpenSSL lets an application replace those. */
function overrideDefault() {
  const library = koffi.load(null);
  const lookUp = library.func("void *X509_VERIFY_PARAM_lookup(const char *name)");
  const create = library.func("void *X509_VERIFY_PARAM_new(void)");
  const copy = library.func("int X509_VERIFY_PARAM_set1(void *to, void *from)");
  const setName = library.func("int X509_VERIFY_PARAM_set1_name(void *parameters, const char *name)");
  const register = library.func("int X509_VERIFY_PARAM_add0_table(void *parameters)");
  const setTime = library.func("void X509_VERIFY_PARAM_set_time(void *parameters, int64_t seconds)");
  const clearFlags = library.func("int X509_VERIFY_PARAM_clear_flags(void *parameters, unsigned long flags)");
  const parameters: unknown = create();
  const isDone =
    copy(parameters, lookUp("default")) === 1 && setName(parameters, "default") === 1 && register(parameters) === 1;
  if (!isDone) throw new Error("OpenSSL does not let its default parameters be replaced");
  return { parameters, setTime, clearFlags };
}
