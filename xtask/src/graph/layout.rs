//! Layered layout of a directed graph without circles: every edge points down.
//!
//! The classical steps: layers by longest path, invisible nodes where an edge crosses a layer, order
//! within a layer by the mean of the neighbours, and coordinates that bring everything as near to its
//! neighbours as the order and the gaps allow.

/// Space between neighbours in a layer.
const GAP_X: f64 = 44.0;
/// Space between layers, for arrows and their labels.
const GAP_Y: f64 = 96.0;
/// Width that an edge takes where it crosses a layer.
const LANE: f64 = 18.0;
/// Rounds of ordering and of placing; more do not change small graphs.
const ROUNDS: usize = 12;

/// Width and height of a node.
pub type Size = (f64, f64);
pub type Point = (f64, f64);

/// Where everything is.
#[derive(Debug)]
pub struct Layout {
    /// Middle of each node's upper edge.
    pub nodes: Vec<Point>,
    /// The points each edge goes through, from the lower side of one node to the upper side of another.
    /// Between them it bends; it is vertical at each.
    pub routes: Vec<Vec<Point>>,
    pub size: Size,
}

/// A node, or the place where an edge crosses a layer.
struct Item {
    width: f64,
    /// Middle.
    x: f64,
    above: Vec<usize>,
    below: Vec<usize>,
}

/// Lays out `nodes` with `edges` from upper to lower nodes.
pub fn layout(nodes: &[Size], edges: &[(usize, usize)]) -> Layout {
    let levels = levels(nodes.len(), edges);
    let count = levels.iter().max().map_or(0, |top| top + 1);

    // Items 0..nodes.len() are the nodes, the others lanes.
    let item = |width| Item {
        width,
        x: 0.0,
        above: vec![],
        below: vec![],
    };
    let mut items: Vec<Item> = nodes.iter().map(|size| item(size.0)).collect();
    let mut rows: Vec<Vec<usize>> = vec![vec![]; count];
    levels
        .iter()
        .enumerate()
        .for_each(|(node, &level)| rows[level].push(node));
    let mut chains: Vec<Vec<usize>> = vec![];
    for &(from, to) in edges {
        let mut chain = vec![from];
        for level in (levels[to] + 1..levels[from]).rev() {
            rows[level].push(items.len());
            chain.push(items.len());
            items.push(item(LANE));
        }
        chain.push(to);
        for pair in chain.windows(2) {
            items[pair[0]].below.push(pair[1]);
            items[pair[1]].above.push(pair[0]);
        }
        chains.push(chain);
    }

    order(&mut items, &mut rows);
    place(&mut items, &rows);

    // Rows from above: the highest level first.
    let mut tops = vec![0.0; count];
    let mut y = 0.0;
    let mut heights = vec![0.0f64; count];
    for level in (0..count).rev() {
        tops[level] = y;
        let row = rows[level].iter().filter_map(|&index| nodes.get(index));
        heights[level] = row.map(|size| size.1).fold(0.0, f64::max);
        y += heights[level] + GAP_Y;
    }
    let right = items
        .iter()
        .map(|item| item.x + item.width / 2.0)
        .fold(0.0, f64::max);
    // A node that is less high than its row sits on the row's middle.
    let top = |node: usize| tops[levels[node]] + (heights[levels[node]] - nodes[node].1) / 2.0;
    let positions: Vec<Point> = (0..nodes.len())
        .map(|node| (items[node].x, top(node)))
        .collect();

    let ports = Ports {
        items: &items,
        chains: &chains,
    };
    let routes = chains.iter().enumerate().map(|(edge, chain)| {
        let (from, to) = (chain[0], chain[chain.len() - 1]);
        let mut route = vec![(ports.below(edge, from), top(from) + nodes[from].1)];
        for (step, &lane) in chain[1..chain.len() - 1].iter().enumerate() {
            let level = levels[from] - 1 - step;
            route.push((items[lane].x, tops[level]));
            route.push((items[lane].x, tops[level] + heights[level]));
        }
        route.push((ports.above(edge, to), top(to)));
        route
    });
    Layout {
        routes: routes.collect(),
        nodes: positions,
        size: (right, (y - GAP_Y).max(0.0)),
    }
}

/// The level of each node: 0 if no edge leaves it, else one above the highest that its edges lead to.
fn levels(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut levels = vec![0; count];
    // Without circles this settles in `count` rounds; with one it stops all the same.
    for _ in 0..count {
        for &(from, to) in edges {
            levels[from] = levels[from].max((levels[to] + 1).min(count - 1));
        }
    }
    levels
}

/// Orders each row so that few edges cross.
fn order(items: &mut [Item], rows: &mut [Vec<usize>]) {
    let mut best = (crossings(items, rows), rows.to_vec());
    for round in 0..ROUNDS {
        let down = round % 2 == 0;
        let count = rows.len();
        for step in 1..count {
            let level = if down { count - 1 - step } else { step };
            rows.iter().for_each(|row| number(items, row));
            let mean = |&index: &usize| {
                let near = if down {
                    &items[index].above
                } else {
                    &items[index].below
                };
                mean(items, near).unwrap_or(items[index].x)
            };
            let mut keyed: Vec<(f64, usize)> = rows[level]
                .iter()
                .map(|index| (mean(index), *index))
                .collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[level] = keyed.into_iter().map(|(_, index)| index).collect();
        }
        let now = crossings(items, rows);
        if now < best.0 {
            best = (now, rows.to_vec());
        }
    }
    rows.clone_from_slice(&best.1);
}

/// Gives each item its position in the row as coordinate.
fn number(items: &mut [Item], row: &[usize]) {
    row.iter()
        .enumerate()
        .for_each(|(position, &index)| items[index].x = position as f64);
}

fn mean(items: &[Item], indices: &[usize]) -> Option<f64> {
    let sum: f64 = indices.iter().map(|&index| items[index].x).sum();
    (!indices.is_empty()).then(|| sum / indices.len() as f64)
}

/// How many pairs of edges cross between neighbouring rows.
fn crossings(items: &mut [Item], rows: &[Vec<usize>]) -> usize {
    rows.iter().for_each(|row| number(items, row));
    let mut crossings = 0;
    for row in rows {
        let ends = row
            .iter()
            .flat_map(|&a| items[a].below.iter().map(move |&b| (a, b)));
        let ends: Vec<(f64, f64)> = ends.map(|(a, b)| (items[a].x, items[b].x)).collect();
        for (index, a) in ends.iter().enumerate() {
            crossings += ends[..index]
                .iter()
                .filter(|b| (a.0 - b.0) * (a.1 - b.1) < 0.0)
                .count();
        }
    }
    crossings
}

/// Gives each item its coordinate.
fn place(items: &mut [Item], rows: &[Vec<usize>]) {
    for row in rows {
        let wishes: Vec<f64> = vec![0.0; row.len()];
        arrange(items, row, &wishes);
    }
    for round in 0..ROUNDS {
        let levels: Vec<usize> = match round % 2 {
            0 => (0..rows.len()).rev().collect(),
            _ => (0..rows.len()).collect(),
        };
        for level in levels {
            let wish = |&index: &usize| {
                let (above, below) = (&items[index].above, &items[index].below);
                match (mean(items, above), mean(items, below)) {
                    (Some(a), Some(b)) => (a + b) / 2.0,
                    (Some(x), None) | (None, Some(x)) => x,
                    (None, None) => items[index].x,
                }
            };
            let wishes: Vec<f64> = rows[level].iter().map(wish).collect();
            arrange(items, &rows[level], &wishes);
        }
    }
    let left = items
        .iter()
        .map(|item| item.x - item.width / 2.0)
        .fold(f64::INFINITY, f64::min);
    items.iter_mut().for_each(|item| item.x -= left);
}

/// Moves the items of a row as near to `wishes` as possible (least squares) without changing their order
/// or touching. With the room that the items before take away this is isotonic regression, solved by
/// pooling neighbours that want to pass each other.
fn arrange(items: &mut [Item], row: &[usize], wishes: &[f64]) {
    let mut offsets = vec![0.0; row.len()];
    for position in 1..row.len() {
        let (left, right) = (&items[row[position - 1]], &items[row[position]]);
        offsets[position] = offsets[position - 1] + (left.width + right.width) / 2.0 + GAP_X;
    }
    // Pools of neighbours that move together: sum of what they want, and how many they are.
    let mut pools: Vec<(f64, usize)> = vec![];
    for (wish, offset) in wishes.iter().zip(&offsets) {
        let mut pool = (wish - offset, 1);
        while let Some(&(sum, count)) = pools.last() {
            if sum / count as f64 <= pool.0 / pool.1 as f64 {
                break;
            }
            pools.pop();
            pool = (pool.0 + sum, pool.1 + count);
        }
        pools.push(pool);
    }
    let bases = pools
        .iter()
        .flat_map(|&(sum, count)| std::iter::repeat_n(sum / count as f64, count));
    for ((base, offset), &index) in bases.zip(&offsets).zip(row) {
        items[index].x = base + offset;
    }
}

/// Where edges touch a node: spread over the middle of its side, in the order in which they leave.
struct Ports<'a> {
    items: &'a [Item],
    chains: &'a [Vec<usize>],
}

impl Ports<'_> {
    fn below(&self, edge: usize, node: usize) -> f64 {
        self.port(edge, node, |chain| (chain[0] == node).then(|| chain[1]))
    }

    fn above(&self, edge: usize, node: usize) -> f64 {
        self.port(edge, node, |chain| {
            (chain[chain.len() - 1] == node).then(|| chain[chain.len() - 2])
        })
    }

    fn port(&self, edge: usize, node: usize, next: impl Fn(&[usize]) -> Option<usize>) -> f64 {
        let ends = self
            .chains
            .iter()
            .enumerate()
            .filter_map(|(other, chain)| next(chain).map(|next| (self.items[next].x, other)));
        let mut ends: Vec<(f64, usize)> = ends.collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let position = ends
            .iter()
            .position(|&(_, other)| other == edge)
            .unwrap_or(0);
        let item = &self.items[node];
        let step = (item.width * 0.7 / ends.len() as f64).min(72.0);
        item.x + step * (position as f64 - (ends.len() as f64 - 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nodes_never_overlap_and_edges_point_down(
            sizes in proptest::collection::vec((40.0f64..300.0, 20.0f64..120.0), 1..12),
            pairs in proptest::collection::vec((0usize..12, 0usize..12), 0..20),
        ) {
            // From a smaller to a larger index, so there are no circles.
            let count = sizes.len();
            let edges: Vec<(usize, usize)> = pairs
                .into_iter()
                .map(|(a, b)| (a % count, b % count))
                .filter(|(a, b)| a != b)
                .map(|(a, b)| (a.min(b), a.max(b)))
                .collect();
            let layout = layout(&sizes, &edges);
            for (a, (ax, ay)) in layout.nodes.iter().enumerate() {
                prop_assert!(ax - sizes[a].0 / 2.0 > -0.001 && ax + sizes[a].0 / 2.0 < layout.size.0 + 0.001);
                prop_assert!(*ay > -0.001 && ay + sizes[a].1 < layout.size.1 + 0.001);
                for (b, (bx, by)) in layout.nodes.iter().enumerate().take(a) {
                    let apart_x = (ax - bx).abs() >= (sizes[a].0 + sizes[b].0) / 2.0;
                    let apart_y = *ay >= by + sizes[b].1 || *by >= ay + sizes[a].1;
                    prop_assert!(apart_x || apart_y);
                }
            }
            for (route, &(from, to)) in layout.routes.iter().zip(&edges) {
                prop_assert!(route.windows(2).all(|pair| pair[0].1 <= pair[1].1 + 0.001));
                prop_assert!(layout.nodes[from].1 < layout.nodes[to].1);
            }
        }
    }

    #[test]
    fn a_circle_ends() {
        layout(&[(10.0, 10.0); 2], &[(0, 1), (1, 0)]);
    }

    #[test]
    fn nothing_is_laid_out_as_nothing() {
        assert_eq!(layout(&[], &[]).size, (0.0, 0.0));
    }
}
