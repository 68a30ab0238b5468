/**
 * Why the native addon did not load, in words that say what to do.
 *
 * The generated loader tries a file beside itself, then the platform's package, and throws one error whose causes hold
 * what was said each time. This reads them; it loads nothing and decides nothing.
 */

/** The machine, as far as it decides which addon fits. */
export interface Host {
  readonly platform: string
  readonly arch: string
  /** The C library of this process, on Linux. */
  readonly libc?: 'glibc' | 'musl'
  /** Its version, where it is glibc. */
  readonly glibcVersion?: string
  /** Where a package is installed, or undefined where it is not. */
  readonly locate: (packageName: string) => string | undefined
}

/** The oldest glibc the addon for Linux runs on; the package test measures it. */
const OLDEST_GLIBC = '2.28'

const SUPPORTED = [
  'win32-x64-msvc',
  'win32-arm64-msvc',
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'darwin-x64',
  'darwin-arm64',
  'linux-x64-musl',
  'linux-arm64-musl',
]

const packageOf = (target: string) => `@coterie/native-${target}`

/**
 * Says why loading failed: which file was tried, what the system said, and what to do about it.
 *
 * @param cause - what requiring the generated loader threw
 * @param host - the machine; this one unless a test says otherwise
 */
export function explainLoadFailure(cause: unknown, host: Host = thisHost()): { message: string } {
  const target = targetOf(host)
  if (!SUPPORTED.includes(target)) {
    return sentences(
      `Coterie has no native addon for ${target}.`,
      `There is one for ${SUPPORTED.join(', ')}.`,
      ...(host.platform === 'linux' || host.platform === 'darwin' || host.platform === 'win32'
        ? ['On this system, use a Node.js of one of these architectures.']
        : []),
    )
  }
  const said = messagesOf(cause)
  const reason = said.find((message) => !isMissing(message))
  return reason === undefined ? explainMissing(said, target, host) : explainRefusal(reason, target, host)
}

/** No file was there to load. */
function explainMissing(said: string[], target: string, host: Host): { message: string } {
  const wanted = packageOf(target)
  const tried = said.flatMap((message) => /Cannot find module '([^']+)'/.exec(message)?.[1] ?? [])
  const others = SUPPORTED.filter((other) => other !== target && host.locate(packageOf(other)) !== undefined)
  const here = host.locate(wanted)
  return sentences(
    `The native addon for ${target} was not found (tried ${tried.join(', ') || wanted}).`,
    ...(here !== undefined
      ? [
          `The package ${wanted} is at ${here}, but its addon file is missing: the installation is incomplete.`,
        ]
      : others.length > 0
        ? [
            `What is installed is for ${others.join(', ')}: node_modules, or the lockfile, came from another platform.`,
            `Remove node_modules and run npm install on this machine; if that does not help, remove the lockfile too.`,
          ]
        : [
            `The package ${wanted} is not installed: optional dependencies were left out (--omit=optional, ` +
              `--no-optional), or the lockfile was written on another platform and does not list it.`,
          ]),
    ...(others.length > 0
      ? []
      : [
          `Install with optional dependencies: npm install --include=optional. If that does not help, remove ` +
            `node_modules and the lockfile and install again.`,
        ]),
  )
}

/** A file was there, and the system would not have it. */
function explainRefusal(reason: string, target: string, host: Host): { message: string } {
  const file = /(?:[A-Za-z]:)?[^\s'"():]*\.node/.exec(reason)?.[0] ?? host.locate(packageOf(target))
  return sentences(
    `The native addon for ${target} could not be loaded${file === undefined ? '' : ` from ${file}`}.`,
    `The system said: ${reason.split('\n')[0]?.replace(/\.?$/, '.')}`,
    nextStep(reason, target, host),
  )
}

function nextStep(reason: string, target: string, host: Host): string {
  const reinstall = 'Remove node_modules and run npm install on this machine.'
  const needed = /version [`']?GLIBC_(\d+(?:\.\d+)*)/.exec(reason)?.[1]
  if (needed !== undefined) {
    return (
      `This system has glibc ${host.glibcVersion ?? 'of an older version'} and the file needs ${needed}; the addons ` +
      `of Coterie's releases need ${OLDEST_GLIBC}. Use a newer system or container image` +
      (isOlder(OLDEST_GLIBC, needed)
        ? `; this file was built on this or another machine, not released.`
        : '.')
    )
  }
  if (host.libc === 'glibc' && /ld-musl-|libc\.musl-/.test(reason)) {
    return `The file is for musl (Alpine), and this Node.js runs on glibc. ${reinstall}`
  }
  if (host.libc === 'musl' && /ld-linux|libc\.so\.6|libm\.so\.6|libpthread|symbol not found/.test(reason)) {
    return `The file is for glibc, and this Node.js runs on musl (Alpine). ${reinstall}`
  }
  if (
    /invalid ELF header|file too short|wrong ELF class|ELF file|not a valid Win32|incompatible architecture|mach-o/i.test(
      reason,
    )
  ) {
    return `The file is damaged or for another platform: node_modules was probably copied. ${reinstall}`
  }
  if (/failed to map segment|Operation not permitted|Permission denied|EACCES|EPERM/i.test(reason)) {
    return 'The file may not be executed where it lies: check its permissions, and that its file system is not mounted noexec.'
  }
  if (/specified module could not be found|ERROR_MOD_NOT_FOUND/i.test(reason)) {
    return 'A library that it needs is missing: install the Microsoft Visual C++ Redistributable.'
  }
  if (/code signature|not valid for use in process|library validation/i.test(reason)) {
    return 'macOS refused its signature: reinstall the package, or allow unsigned libraries in the application that loads it.'
  }
  if (/version mismatch/i.test(reason)) {
    return `The package and its addon are of different versions. ${reinstall}`
  }
  if (/NODE_MODULE_VERSION|napi|Module did not self-register/i.test(reason)) {
    return 'This runtime does not offer Node-API version 9: use Node.js 20.19 or newer.'
  }
  return `Please report this, with the output of: node -p "process.version + ' ${target}'"`
}

/** What was said at each attempt, in the order of the attempts. */
function messagesOf(cause: unknown): string[] {
  const messages: string[] = []
  let error = cause
  // The loader makes at most a handful of attempts; the bound is against a chain that bites its tail.
  for (let depth = 0; depth < 32 && error instanceof Error; depth += 1) {
    messages.unshift(error.message)
    error = error.cause
  }
  return messages.filter((message) => !IRRELEVANT.test(message))
}

/** The loader's own summary, and its attempts at a WebAssembly build, which Coterie does not have. */
const IRRELEVANT =
  /^(Cannot find|Failed to load) native binding|\.wasi\.cjs'|-wasm32-wasi'|-universal(\.node)?'/

const isMissing = (message: string) =>
  message.startsWith('Cannot find module') || message.startsWith('Cannot find package')

const isOlder = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true }) < 0

const targetOf = ({ platform, arch, libc }: Host) => {
  const suffix =
    platform === 'win32' ? '-msvc' : platform === 'linux' ? (libc === 'musl' ? '-musl' : '-gnu') : ''
  return `${platform}-${arch}${suffix}`
}

const sentences = (...all: string[]) => ({ message: all.join(' ') })

function thisHost(): Host {
  const { platform, arch } = process
  return { platform, arch, ...libcOfThisProcess(), locate }
}

function libcOfThisProcess(): Pick<Host, 'libc' | 'glibcVersion'> {
  if (process.platform !== 'linux') return {}
  // Without this a report resolves the host names of every open connection.
  Object.assign(process.report, { excludeNetwork: true })
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  const glibcVersion = report.header?.glibcVersionRuntime
  return glibcVersion === undefined ? { libc: 'musl' } : { libc: 'glibc', glibcVersion }
}

function locate(packageName: string): string | undefined {
  try {
    return require.resolve(`${packageName}/package.json`).replace(/[/\\]package\.json$/, '')
  } catch {
    return undefined
  }
}
