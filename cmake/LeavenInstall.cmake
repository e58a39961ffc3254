# What `cmake --install` writes, and the package file that find_package(leaven) reads. Two export sets: who uses only
# leaven::leaven need not have what the trainer links.
add_library(leaven::leaven ALIAS leaven)
include(CMakePackageConfigHelpers)
set(LEAVEN_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/leaven)

install(TARGETS leaven EXPORT leaven_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT leaven_targets NAMESPACE leaven:: DESTINATION ${LEAVEN_PACKAGE_DIR})
if(LEAVEN_TRAIN)
  install(TARGETS leaven_train EXPORT leaven_train_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT leaven_train_targets NAMESPACE leaven:: DESTINATION ${LEAVEN_PACKAGE_DIR})
  install(FILES cmake/FindOneDNN.cmake DESTINATION ${LEAVEN_PACKAGE_DIR})
endif()
install(DIRECTORY include/leaven DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_package_config_file(cmake/leaven-config.cmake.in leaven-config.cmake INSTALL_DESTINATION ${LEAVEN_PACKAGE_DIR})
write_basic_package_version_file(leaven-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/leaven-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/leaven-config-version.cmake
        DESTINATION ${LEAVEN_PACKAGE_DIR})
