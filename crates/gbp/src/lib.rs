//! The frame layer and the control plane of the Group Protocol Stack.

pub mod node;
