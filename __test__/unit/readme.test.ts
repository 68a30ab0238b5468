import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('the example of the README runs as it stands', () => {
  const readme = readFileSync(`${root}/README.md`, 'utf8')
  const [, example] = /```js\n(.*?)```/s.exec(readme) ?? []
  if (example === undefined) throw new Error('the README has no example')

  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', example], {
    cwd: root,
    encoding: 'utf8',
  })
  expect(output).toBe('alice: hello\n')
  expect(example.trim().split('\n').length).toBeLessThanOrEqual(20)
})

test('the demo tells its story to the end and its scenes are the flows of RFC 9420', () => {
  const output = execFileSync(process.execPath, [`${root}/examples/demo.mjs`], {
    cwd: root,
    encoding: 'utf8',
  })
  for (const flow of ['Initialising', 'Adding', 'Updating a leaf', 'Removing']) expect(output).toContain(flow)
  expect(output).toContain('Done.')
})
