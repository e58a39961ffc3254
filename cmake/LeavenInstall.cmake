add_library(leaven::leaven ALIAS leaven)
include(CMakePackageConfigHelpers)
set(LEAVEN_EXPORTED leaven)
if(LEAVEN_TRAIN)
  list(APPEND LEAVEN_EXPORTED leaven_train)
endif()
install(TARGETS ${LEAVEN_EXPORTED} EXPORT leaven_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/leaven DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT leaven_targets NAMESPACE leaven:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/leaven)
configure_package_config_file(cmake/leaven-config.cmake.in leaven-config.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/leaven)
write_basic_package_version_file(leaven-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/leaven-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/leaven-config-version.cmake
              cmake/FindOneDNN.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/leaven)
