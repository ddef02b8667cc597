//! accompany
