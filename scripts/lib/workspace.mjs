/** Where things are, and what the machine we run on is called. Plain Node: nothing is installed yet. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** A path inside the checkout. */
export const at = (...parts) => join(root, ...parts)

export const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))

export const manifest = () => readJson(at('package.json'))

/**
 * The platforms of a release, by Rust target. Linux is linked through zig: for `gnu` that fixes the oldest glibc the
 * addon runs on, for `musl` it brings the C library.
 */
export const platforms = [
  { name: 'win32-x64-msvc', target: 'x86_64-pc-windows-msvc' },
  { name: 'win32-arm64-msvc', target: 'aarch64-pc-windows-msvc' },
  { name: 'linux-x64-gnu', target: 'x86_64-unknown-linux-gnu', zig: 'x86_64-unknown-linux-gnu.2.28' },
  { name: 'linux-arm64-gnu', target: 'aarch64-unknown-linux-gnu', zig: 'aarch64-unknown-linux-gnu.2.28' },
  { name: 'darwin-x64', target: 'x86_64-apple-darwin' },
  { name: 'darwin-arm64', target: 'aarch64-apple-darwin' },
  { name: 'linux-x64-musl', target: 'x86_64-unknown-linux-musl', zig: 'x86_64-unknown-linux-musl' },
  { name: 'linux-arm64-musl', target: 'aarch64-unknown-linux-musl', zig: 'aarch64-unknown-linux-musl' },
]

/** The platform of this process. */
export function hostPlatform() {
  const suffix = { win32: '-msvc', linux: isMusl() ? '-musl' : '-gnu' }[process.platform] ?? ''
  return platformNamed(`${process.platform}-${process.arch}${suffix}`)
}

export function platformNamed(name) {
  const found = platforms.find((platform) => platform.name === name)
  if (!found)
    throw new Error(`Coterie is not built for ${name}; it is for ${platforms.map((p) => p.name).join(', ')}`)
  return found
}

function isMusl() {
  process.report.excludeNetwork = true
  return process.report.getReport().header.glibcVersionRuntime === undefined
}
