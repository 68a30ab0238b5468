import { describe, expect, it } from 'vitest'

import { explainLoadFailure, type Host } from '../../ts/internal/load-failure.js'

const debian: Host = {
  platform: 'linux',
  arch: 'x64',
  libc: 'glibc',
  glibcVersion: '2.36',
  locate: () => undefined,
}
const alpine: Host = { platform: 'linux', arch: 'x64', libc: 'musl', locate: () => undefined }

/** The shape of what the generated loader throws: each attempt is the cause of the next. */
function loaderError(...attempts: string[]): Error {
  const chain = attempts.reduce<Error | undefined>(
    (cause, message) => Object.assign(new Error(message), { cause }),
    undefined,
  )
  return Object.assign(new Error('Cannot find native binding. npm has a bug …'), { cause: chain })
}

const missing = (target: string) => [
  `Cannot find module './coterie.${target}.node'\nRequire stack:\n- /app/node_modules/coterie/index.js`,
  `Cannot find module '@coterie/native-${target}'\nRequire stack:\n- /app/node_modules/coterie/index.js`,
  `Cannot find module './coterie.wasi.cjs'`,
  `Cannot find module '@coterie/native-wasm32-wasi'`,
]

const installed = (...targets: string[]) => ({
  locate: (name: string) =>
    targets.some((target) => name === `@coterie/native-${target}`) ? `/app/node_modules/${name}` : undefined,
})

describe('when nothing was found to load', () => {
  it('names what was tried, and optional dependencies as the cause', () => {
    const { message } = explainLoadFailure(loaderError(...missing('linux-x64-gnu')), debian)
    expect(message).toContain('tried ./coterie.linux-x64-gnu.node, @coterie/native-linux-x64-gnu)')
    expect(message).toContain('--omit=optional')
    expect(message).toContain('lockfile')
    expect(message).toContain('npm install --include=optional')
    expect(message).not.toContain('wasi')
  })

  it('says so when what is installed is for another platform', () => {
    const host = { ...debian, ...installed('darwin-arm64') }
    const { message } = explainLoadFailure(loaderError(...missing('linux-x64-gnu')), host)
    expect(message).toContain('What is installed is for darwin-arm64')
    expect(message).toContain('Remove node_modules and run npm install on this machine')
  })

  it('says so when the glibc addon is installed on a musl system', () => {
    const host = { ...alpine, ...installed('linux-x64-gnu') }
    const { message } = explainLoadFailure(loaderError(...missing('linux-x64-musl')), host)
    expect(message).toContain('native addon for linux-x64-musl was not found')
    expect(message).toContain('What is installed is for linux-x64-gnu')
  })

  it('says so when the package is there without its file', () => {
    const host = { ...debian, ...installed('linux-x64-gnu') }
    const { message } = explainLoadFailure(loaderError(...missing('linux-x64-gnu')), host)
    expect(message).toContain('is at /app/node_modules/@coterie/native-linux-x64-gnu')
    expect(message).toContain('installation is incomplete')
  })
})

describe('when the system refused the file', () => {
  const file = '/app/node_modules/@coterie/native-linux-x64-gnu/coterie.linux-x64-gnu.node'
  const explain = (reason: string, host: Host = debian) =>
    explainLoadFailure(loaderError(missing('linux-x64-gnu')[0] ?? '', reason), host).message

  it('names the file and quotes the system', () => {
    const message = explain(`${file}: undefined symbol: napi_something`)
    expect(message).toContain(`could not be loaded from ${file}`)
    expect(message).toContain('The system said:')
    expect(message).toContain('undefined symbol: napi_something')
  })

  it.each<[string, string, Host, string]>([
    [
      'an old glibc',
      `/lib/x86_64-linux-gnu/libc.so.6: version \`GLIBC_2.28' not found (required by ${file})`,
      { ...debian, glibcVersion: '2.17' },
      'This system has glibc 2.17 and the file needs 2.28',
    ],
    [
      'an addon that was not built for release',
      `/lib/x86_64-linux-gnu/libc.so.6: version \`GLIBC_2.38' not found (required by ${file})`,
      debian,
      'not released',
    ],
    [
      'a musl addon under glibc',
      `libc.musl-x86_64.so.1: cannot open shared object file: No such file or directory`,
      debian,
      'The file is for musl (Alpine), and this Node.js runs on glibc',
    ],
    [
      'a glibc addon under musl',
      `Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by ${file})`,
      alpine,
      'The file is for glibc, and this Node.js runs on musl',
    ],
    ['a damaged file', `${file}: invalid ELF header`, debian, 'damaged or for another platform'],
    ['a file that was cut off', `${file}: file too short`, debian, 'damaged or for another platform'],
    [
      'a file system without execution',
      `${file}: failed to map segment from shared object: Operation not permitted`,
      debian,
      'noexec',
    ],
    [
      'the wrong architecture on macOS',
      `dlopen(${file}, 0x0001): tried: '${file}' (mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))`,
      { ...debian, platform: 'darwin', arch: 'arm64' },
      'damaged or for another platform',
    ],
    [
      'a missing library on Windows',
      `The specified module could not be found.\n\\\\?\\C:\\app\\coterie.win32-x64-msvc.node`,
      { platform: 'win32', arch: 'x64', locate: () => undefined },
      'Visual C++ Redistributable',
    ],
    [
      'two versions',
      'Native binding package version mismatch, expected 0.2.0 but got 0.1.0.',
      debian,
      'of different versions',
    ],
  ])('gives the next step for %s', (_, reason, host, expected) => {
    expect(explain(reason, host)).toContain(expected)
  })
})

it('names the platforms there are when this one is not among them', () => {
  const host: Host = { platform: 'freebsd', arch: 'x64', locate: () => undefined }
  const { message } = explainLoadFailure(loaderError('Cannot find module …'), host)
  expect(message).toContain('no native addon for freebsd-x64')
  expect(message).toContain('linux-arm64-musl')
})

it('survives a cause that is no error, and causes that go round in a circle', () => {
  expect(explainLoadFailure('boom', debian).message).toContain('was not found')
  const circular = new Error('first')
  circular.cause = circular
  expect(explainLoadFailure(circular, debian).message).toContain('first')
})
