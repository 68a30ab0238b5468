/** Addons with functions that no published one has: one panics when it is asked to, one takes private keys. */
import { tool } from '../../scripts/lib/run.mjs'
import { NATIVE_SOURCES, toolchain } from '../../scripts/lib/setup.mjs'
import { buildOnce } from '../../scripts/lib/stamp.mjs'
import { at, hostPlatform } from '../../scripts/lib/workspace.mjs'

/** Builds the addon with a feature for tests, unless that was done, and returns its path. */
export function buildTestAddon(feature: 'fault-injection' | 'interop'): string {
  const output = `target/native/${feature}`
  const addon = `${output}/coterie.${hostPlatform().name}.node`
  buildOnce(`native-${feature}`, { ...NATIVE_SOURCES, also: toolchain(), outputs: [addon] }, () => {
    const from = ['--manifest-path', 'crates/node/Cargo.toml', '--package-json-path', 'package.json']
    const to = ['--target-dir', 'target', '--output-dir', output, '--js', 'index.js', '--dts', 'index.d.ts']
    const what = ['--platform', '--no-dts-cache', '--features', feature]
    tool('napi', ['build', ...what, ...from, ...to], { quiet: true })
  })
  return at(addon)
}
